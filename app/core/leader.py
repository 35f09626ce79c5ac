"""Elect the one replica that cleans up after others."""

from __future__ import annotations

from contextlib import AsyncExitStack

from app.core.errors import Busy
from app.core.protocols import Leases, SessionLock

LOCK = "sweep"
"""What the leader holds, as if it were a session; no session has so short an id (K10)."""


class Leader:
    """Hold a lock like a session's: short, renewed as long as this process lives, fenced, free when it dies.

    Within one process there is nobody to contend with, so it always leads.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._holding = AsyncExitStack()
        self._hold: SessionLock | None = None

    async def is_elected(self) -> bool:
        """Tell whether this process leads, and become leader when nobody does. Raises ``LeasesUnavailable``."""
        if self._hold is not None and not self._hold.is_lost():
            return True
        await self.resign()
        try:
            self._hold = await self._holding.enter_async_context(self._leases.hold(LOCK, 0))
        except Busy:
            return False
        return True

    async def resign(self) -> None:
        """Lead no more; another may at once."""
        self._hold = None
        await self._holding.aclose()
