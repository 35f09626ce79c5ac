"""Make and check ids."""

from __future__ import annotations

import itertools
import re
import secrets

_SHAPE = re.compile(r"[A-Za-z0-9_-]{21}")


def new_id() -> str:
    """Make a session or file id: 21 characters of 64, 126 random bits (K10). Unguessable, so it is a capability."""
    return secrets.token_urlsafe(16)[:21]


def is_id(text: str) -> bool:
    """Tell whether a text has the shape of an id; anything else names nothing."""
    return _SHAPE.fullmatch(text) is not None


_PROCESS = secrets.token_hex(5)
_numbers = itertools.count(1)


def new_number() -> str:
    """Give a request or a run its number: no replica gives it again. It is easy to guess, so never a capability."""
    return f"{_PROCESS}-{next(_numbers)}"


_PAUSED = "run-"


def new_run_id() -> str:
    """Make the id under which a paused run has its lease; it is told apart from every session's."""
    return _PAUSED + new_id()


def is_paused_run(lease_id: str) -> bool:
    """Tell whether a lease is a paused run's."""
    return lease_id.startswith(_PAUSED) and not is_id(lease_id)
