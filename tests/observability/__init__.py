"""Observability: events, metrics, logs, traces."""
