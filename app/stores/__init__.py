"""Keep file bytes and session records."""
