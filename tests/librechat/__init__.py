"""LibreChat's own server code, by release, run against our service; see `make test-librechat`."""
