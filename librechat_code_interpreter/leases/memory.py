"""Leases in the memory of this process: for one replica."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from librechat_code_interpreter.core.errors import Busy, LeasesUnavailable
from librechat_code_interpreter.core.protocols import Lease, SessionLock

MAX_HINTS = 10_000


@dataclass(slots=True)
class _SessionLock:
    """An acquired session lock; within one process it is lost only when it is released."""

    session_id: str
    lease: Lease | None
    is_over: bool = False

    def is_lost(self) -> bool:
        return self.is_over


class MemoryLeases:
    """Leases, locks and hints in dictionaries; they are lost with the process, but no data is lost with them."""

    def __init__(self) -> None:
        self._leases: OrderedDict[str, Lease] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._hints: OrderedDict[str, str] = OrderedDict()

    @asynccontextmanager
    async def hold(self, session_id: str, wait_seconds: float) -> AsyncIterator[SessionLock]:
        """Lock a session. Raises ``Busy`` if it is not free within the time; 0 does not wait."""
        lock = self._locks.setdefault(session_id, asyncio.Lock())  # it lives as long as somebody uses it
        await self._acquire(lock, wait_seconds)
        session_lock = _SessionLock(session_id, self._leases.get(session_id))
        try:
            yield session_lock
        finally:
            session_lock.is_over = True
            lock.release()

    async def _acquire(self, lock: asyncio.Lock, wait_seconds: float) -> None:
        busy = Busy("Another program is running in this session.", retry_after_seconds=3)
        if wait_seconds <= 0 and lock.locked():
            raise busy
        try:
            async with asyncio.timeout(max(wait_seconds, 0.001)):  # Python 3.11's wait_for swallows a cancellation
                await lock.acquire()
        except TimeoutError as error:
            raise busy from error

    async def keep(self, hold: SessionLock, lease: Lease, most: int | None = None) -> bool:
        """Store a lease and its time of use, if there is room for it."""
        lock = _held(hold)
        if most is not None and lock.session_id not in self._leases and len(self._leases) >= most:
            return False
        lease.used_at = time.time()
        lock.lease = self._leases[lock.session_id] = lease
        self._leases.move_to_end(lock.session_id)
        return True

    async def drop(self, hold: SessionLock) -> None:
        """Delete the session's lease."""
        lock = _held(hold)
        lock.lease = None
        self._leases.pop(lock.session_id, None)

    async def all(self) -> list[Lease]:
        """Return all leases, the least recently used first."""
        return list(self._leases.values())

    async def hint(self, key: str, session_id: str | None = None) -> str | None:
        """Store the session of a conversation if one is given; return the stored one."""
        if session_id is not None:
            self._hints[key] = session_id
            self._hints.move_to_end(key)
            while len(self._hints) > MAX_HINTS:
                self._hints.popitem(last=False)
        return self._hints.get(key)

    async def close(self) -> None:
        """Do nothing: there is no connection."""


def _held(hold: SessionLock) -> _SessionLock:
    if not isinstance(hold, _SessionLock) or hold.is_over:
        raise LeasesUnavailable("This session is no longer held.")
    return hold
