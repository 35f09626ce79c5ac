"""Election of the one replica that cleans up for all."""

from __future__ import annotations

from contextlib import AsyncExitStack

from librechat_code_interpreter.core.errors import Busy
from librechat_code_interpreter.core.protocols import Leases, SessionLock

LOCK = "sweep"
"""The session id under which the leader's lock is held; no real session id is this short (K10)."""


class Leader:
    """Leadership by a lock like a session's: short, renewed while this process lives, fenced, free after its death.

    With in-memory leases there is no other replica, so this process always leads.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._holding = AsyncExitStack()
        self._hold: SessionLock | None = None

    @property
    def leads(self) -> bool:
        """Whether this process was elected, and its lock has not expired since."""
        return self._hold is not None and not self._hold.is_lost()

    async def is_elected(self) -> bool:
        """Return whether this process leads; become leader if there is none. Raises ``LeasesUnavailable``."""
        if self.leads:
            return True
        await self.resign()
        try:
            self._hold = await self._holding.enter_async_context(self._leases.hold(LOCK, 0))
        except Busy:
            return False
        return True

    async def resign(self) -> None:
        """Release the leadership; another replica may take it immediately."""
        self._hold = None
        await self._holding.aclose()
