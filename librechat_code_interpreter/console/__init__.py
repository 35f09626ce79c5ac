"""Operator's page: current state, statistics of the last hour, and a form to try the service."""
