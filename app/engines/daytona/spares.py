"""Keep a few sandboxes ready, so that a new session does not wait for one to start."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from app.core.errors import Unavailable
from app.engines.daytona.sandbox import DaytonaSandbox

log = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 60.0


class Spares:
    """Refill in the background; each spare is handed out once, because one event loop takes from one queue."""

    def __init__(
        self,
        count: int,
        make: Callable[[], Awaitable[DaytonaSandbox]],
        is_fresh: Callable[[DaytonaSandbox], bool],
        destroy: Callable[[str], Awaitable[None]],
    ) -> None:
        self._count = count
        self._make = make
        self._is_fresh = is_fresh
        self._destroy = destroy
        self._ready: deque[DaytonaSandbox] = deque()
        self._wanted = asyncio.Event()
        self._wanted.set()

    @property
    def ids(self) -> set[str]:
        """Name the sandboxes that wait."""
        return {sandbox.id for sandbox in self._ready}

    async def take(self) -> DaytonaSandbox | None:
        """Hand out the newest one that is still fresh, or nothing."""
        sandbox = None
        while self._ready and sandbox is None:
            candidate = self._ready.pop()
            if self._is_fresh(candidate):
                sandbox = candidate
            else:
                await self._destroy(candidate.id)
        self._wanted.set()
        return sandbox

    def keep(self, sandbox: DaytonaSandbox) -> bool:
        """Take a sandbox whose asker went away, if there is room."""
        if len(self._ready) >= self._count:
            return False
        self._ready.append(sandbox)
        return True

    def drop(self, alive: set[str]) -> None:
        """Forget spares that are no longer there, and want new ones."""
        self._ready = deque(sandbox for sandbox in self._ready if sandbox.id in alive and self._is_fresh(sandbox))
        self._wanted.set()

    def close(self) -> set[str]:
        """Give all of them up and want no more; give their names."""
        ids, self._ready, self._count = self.ids, deque(), 0
        return ids

    async def tend(self) -> None:
        """Refill for ever; when Daytona refuses, wait as long as it says, and longer each time."""
        pause = 1.0
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while len(self._ready) < self._count:
                    sandbox = await self._make()
                    if not self.keep(sandbox):
                        await self._destroy(sandbox.id)
                pause = 1.0
            except Unavailable as error:
                log.warning("no warm sandbox could be made: %s", error.__cause__ or error)
                await asyncio.sleep(max(pause, error.retry_after_seconds))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                self._wanted.set()
