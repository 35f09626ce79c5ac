"""File stores: file bytes and session records."""
