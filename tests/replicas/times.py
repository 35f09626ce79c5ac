"""Times of these tests: seconds where an operator has minutes."""

SESSION_TTL_SECONDS = 10
"""Longer than a conversation is idle between two turns, or no follow-up would land in a warm sandbox."""

CLEANUP_INTERVAL_SECONDS = 2
CREATE_SECONDS = 15
PREPARE_SECONDS = 1
ORPHAN_SECONDS = 6
"""All three together: how long a sandbox may be nobody's. Longer than any takes to come up here."""

LOCK_SECONDS = 5.0
"""How long a session stays locked after its replica died."""

PAUSED_SECONDS = 8
"""Longer than a lock: others take the sessions of a replica that hangs."""

GIVE_UP_SECONDS = 4
"""After this time users leave a replica that hangs, and try again: before it goes on."""

EMPTY_WITHIN_SECONDS = 120
"""All of the above, and what the deletes take on a busy machine."""
