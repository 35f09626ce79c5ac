"""Listen to what the service tells of itself, and pass it on: metrics, the audit log, traces, the log's format."""
