"""Let a bounded number of runs in at once, and a bounded number wait for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.errors import Busy, Draining


class Admission:
    """Count who is inside and who waits; everybody else hears 429 with a time to come again (K42)."""

    def __init__(self, max_runs: int, max_queued: int, wait_seconds: float) -> None:
        self.wait_seconds = wait_seconds
        self._slots = asyncio.Semaphore(max_runs)
        self._limit = max_runs + max_queued
        self._idle = asyncio.Event()
        self._idle.set()
        self.present = 0
        self.running = 0
        self.is_draining = False

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Be counted, from the request's arrival to its answer. Raises ``Busy`` or ``Draining``."""
        if self.is_draining:
            raise Draining("The service is stopping and takes no new runs.", retry_after_seconds=5)
        if self.present >= self._limit:
            raise Busy("Too many programs are waiting to run.", retry_after_seconds=5)
        self.present += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.present -= 1
            if self.present == 0:
                self._idle.set()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a place to run. Raises ``Busy`` when none is free in time."""
        try:
            async with asyncio.timeout(self.wait_seconds if self._slots.locked() else None):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Busy("All places to run are taken.", retry_after_seconds=3) from error
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._slots.release()

    async def drain(self, seconds: float) -> bool:
        """Take no new runs and wait for those inside; tell whether all ended in time."""
        self.is_draining = True
        try:
            await asyncio.wait_for(self._idle.wait(), seconds)
        except TimeoutError:
            return False
        return True
