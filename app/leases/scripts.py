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


def load(script: Script) -> str:
    """Give the text of a script, after what all scripts about one session share."""
    shared = "" if script is Script.ALL else _text("session")
    return shared + _text(script.value)


def _text(name: str) -> str:
    return (_DIRECTORY / f"{name}.lua").read_text()
