"""Remember every call, so that tests can count round trips."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Entry:
    """One call; ``status`` and ``seconds`` stay unknown while it lasts, ``status`` also when nothing was sent."""

    number: int
    method: str
    path: str
    query: str
    began: float = field(default_factory=time.time)
    status: int | None = None
    seconds: float | None = None
    sent_bytes: int = 0
    received_bytes: int = 0


class Journal:
    """Keep the calls since the last reset, in the order in which they began."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._numbers = itertools.count(1)

    def begin(self, method: str, path: str, query: str) -> Entry:
        """Note a call that begins."""
        entry = Entry(next(self._numbers), method, path, query)
        self._entries.append(entry)
        return entry

    def reset(self) -> None:
        """Forget all calls."""
        self._entries.clear()

    def shown(self, method: str = ".*", path: str = "") -> list[dict[str, Any]]:
        """Return the calls whose whole method and some of whose path match these regular expressions."""
        return [
            asdict(entry)
            for entry in self._entries
            if re.fullmatch(method, entry.method) and re.search(path, entry.path)
        ]
