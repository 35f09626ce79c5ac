"""What the service tells of itself: events, metrics, logs, traces."""
