"""Requests generated from the API's description."""
