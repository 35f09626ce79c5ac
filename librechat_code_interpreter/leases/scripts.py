"""Lua scripts for Redis, which runs each of them atomically."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

_DIRECTORY = Path(__file__).parent / "lua"


class Script(Enum):
    """Scripts of the leases, each a file in ``librechat_code_interpreter/leases/lua`` that documents itself."""

    TAKE = "take"
    RENEW = "renew"
    KEEP = "keep"
    DROP = "drop"
    FREE = "free"
    ALL = "all"


class PoolScript(Enum):
    """Scripts of the shared pool of warm sandboxes."""

    RESERVE = "reserve"
    FILL = "fill"
    CLAIM = "claim"
    GUARD = "guard"
    KEPT = "kept"


def load(script: Script | PoolScript) -> str:
    """Return a script's text after the part that all scripts about one session, or about the pool, share."""
    if script is Script.ALL:
        return _text("all")
    return _text("stock" if isinstance(script, PoolScript) else "session") + _text(script.value)


def _text(name: str) -> str:
    return (_DIRECTORY / f"{name}.lua").read_text()
