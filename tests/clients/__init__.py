"""The real LibreChat clients, old and new, from npm, driven under Node against the running service."""
