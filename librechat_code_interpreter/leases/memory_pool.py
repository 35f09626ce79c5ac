"""Shared pool of warm sandboxes in the memory of this process: for one replica."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection

from librechat_code_interpreter.core.protocols import GUARD_SECONDS


class MemoryPool:
    """Warm sandboxes, tickets and guards in dictionaries; the single event loop makes every method atomic."""

    def __init__(self) -> None:
        self._spares: dict[str, None] = {}
        self._tickets: dict[str, float] = {}
        self._guarded: dict[str, float] = {}

    async def reserve(self, most: int, seconds: float) -> str | None:
        """Return a ticket to create one more sandbox, if there is room."""
        _remove_expired(self._tickets)
        if len(self._spares) + len(self._tickets) >= most:
            return None
        ticket = secrets.token_hex(8)
        self._tickets[ticket] = time.monotonic() + seconds
        return ticket

    async def fill(self, ticket: str, sandbox_id: str | None) -> bool:
        """Replace a ticket by a warm sandbox, or cancel the ticket."""
        _remove_expired(self._tickets)
        if self._tickets.pop(ticket, None) is None or sandbox_id is None:
            return False
        self._spares[sandbox_id] = None
        return True

    async def claim(self, preferred: Collection[str] = ()) -> str | None:
        """Take a warm sandbox, a preferred one or the newest."""
        newest_first = list(reversed(self._spares))
        chosen = next((spare for spare in newest_first if spare in preferred), None) or next(iter(newest_first), None)
        if chosen is not None:
            del self._spares[chosen]
            await self.guard(chosen)
        return chosen

    async def withdraw(self, sandbox_id: str) -> bool:
        """Remove a certain warm sandbox; return whether it was in the pool."""
        is_spare = sandbox_id in self._spares
        self._spares.pop(sandbox_id, None)
        return is_spare

    async def guard(self, sandbox_id: str) -> None:
        """Protect a sandbox from the sweep for ``GUARD_SECONDS``."""
        self._guarded[sandbox_id] = time.monotonic() + GUARD_SECONDS

    async def kept(self) -> set[str]:
        """Return the ids of warm and guarded sandboxes."""
        _remove_expired(self._guarded)
        return self._spares.keys() | self._guarded.keys()


def _remove_expired(ends: dict[str, float]) -> None:
    for name in [name for name, end in ends.items() if end <= time.monotonic()]:
        del ends[name]
