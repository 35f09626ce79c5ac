"""Find the Lua scripts that Redis runs, each of them whole or not at all."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

_DIRECTORY = Path(__file__).parent / "lua"


class Script(Enum):
    """Name the scripts, each a file in ``app/leases/lua`` that says what it does."""

    TAKE = "take"
    RENEW = "renew"
    KEEP = "keep"
    DROP = "drop"
    FREE = "free"
    ALL = "all"


class PoolScript(Enum):
    """Name the scripts about spare sandboxes."""

    RESERVE = "reserve"
    FILL = "fill"
    CLAIM = "claim"
    GUARD = "guard"
    KEPT = "kept"


def load(script: Script | PoolScript) -> str:
    """Give the text of a script, after what all scripts about one session, or about spares, share."""
    if script is Script.ALL:
        return _text("all")
    return _text("stock" if isinstance(script, PoolScript) else "session") + _text(script.value)


def _text(name: str) -> str:
    return (_DIRECTORY / f"{name}.lua").read_text()
