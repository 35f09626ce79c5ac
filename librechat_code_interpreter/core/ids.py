"""Creation and validation of ids."""

from __future__ import annotations

import itertools
import re
import secrets

_SHAPE = re.compile(r"[A-Za-z0-9_-]{21}")


def new_id() -> str:
    """Return a new session or file id: 21 characters of 64, 126 random bits (K10). It is unguessable: a capability."""
    return secrets.token_urlsafe(16)[:21]


def is_id(text: str) -> bool:
    """Return whether a text has the shape of an id; a text of another shape names nothing."""
    return _SHAPE.fullmatch(text) is not None


_PROCESS = secrets.token_hex(5)
_numbers = itertools.count(1)


def new_number() -> str:
    """Return a new number for a request or a run, unique among all replicas. It is guessable, so never a capability."""
    return f"{_PROCESS}-{next(_numbers)}"


_PAUSED = "run-"


def new_run_id() -> str:
    """Return a new lease id for a paused run; it cannot be confused with a session id."""
    return _PAUSED + new_id()


def is_paused_run(lease_id: str) -> bool:
    """Return whether a lease belongs to a paused run."""
    return lease_id.startswith(_PAUSED) and not is_id(lease_id)
