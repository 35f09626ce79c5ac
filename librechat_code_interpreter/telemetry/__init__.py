"""Observability: metrics, the audit log, traces, and the log's format, all from the service's events."""
