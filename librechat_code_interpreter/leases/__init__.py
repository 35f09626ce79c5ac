"""Leases: which sandbox serves a session."""
