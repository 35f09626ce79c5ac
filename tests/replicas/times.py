"""How long things take in these tests: seconds where an operator has minutes."""

SESSION_TTL_SECONDS = 10
"""Longer than a conversation is idle between two turns, or no follow-up would land in a warm sandbox."""

CLEANUP_INTERVAL_SECONDS = 2
ORPHAN_SECONDS = 20
"""Longer than any sandbox takes to come up here."""

EMPTY_WITHIN_SECONDS = 60
"""All of the above, and what the deletes take on a busy machine."""
