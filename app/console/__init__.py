"""The operator's page: what the service does now, what it did in the last hour, and a place to try it."""
