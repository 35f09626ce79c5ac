"""Make and check ids."""

from __future__ import annotations

import re
import secrets

_SHAPE = re.compile(r"[A-Za-z0-9_-]{21}")


def new_id() -> str:
    """Make a session or file id: 21 characters of 64, 126 random bits (K10). Unguessable, so it is a capability."""
    return secrets.token_urlsafe(16)[:21]


def is_id(text: str) -> bool:
    """Tell whether a text has the shape of an id; anything else names nothing."""
    return _SHAPE.fullmatch(text) is not None
