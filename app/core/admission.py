"""Let a bounded number of runs in at once, and a bounded number wait for a bounded time; end them when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from app.core.errors import Busy, Draining, ServiceError
from app.runner.endings import Ending
from app.runner.messages import Reply

T = TypeVar("T")


class Admission:
    """Count who is inside and who waits; everybody else hears 429 with a time to come again (K42)."""

    def __init__(self, max_runs: int, max_queued: int, wait_seconds: float) -> None:
        self.wait_seconds = wait_seconds
        self._slots = asyncio.Semaphore(max_runs)
        self._limit = max_runs + max_queued
        self._cuts: dict[asyncio.Task[object] | None, asyncio.Timeout] = {}
        self._is_cut = False
        self.present = 0
        self.running = 0
        self.is_draining = False

    @asynccontextmanager
    async def enter(self, *, goes_on: bool = False) -> AsyncIterator[None]:
        """Be counted, from the request's arrival to its answer. Raises ``Busy`` or ``Draining``.

        What ``goes_on`` with a program that was begun before is let in while the service drains.
        """
        if self._is_cut or (self.is_draining and not goes_on):
            raise _draining()
        if self.present >= self._limit:
            raise Busy("Too many programs are waiting to run.", retry_after_seconds=5)
        self.present += 1
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(None) as cut:
                self._cuts[task] = cut
                yield
        except TimeoutError:
            if cut.expired():
                raise _draining() from None
            raise
        finally:
            self._cuts.pop(task, None)
            self.present -= 1

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

    async def program(self, begin: Callable[[], Awaitable[T]]) -> T | Reply:
        """Let a program run; one that is cut off ends with ``CANCELLED``, and goes on from there to its answer.

        Raises ``Draining`` when it may not begin any more, and what ``begin`` raises: it has not begun then.
        """
        if self._is_cut:
            raise _draining()
        task = asyncio.current_task()
        around = self._cuts.pop(task)
        try:
            async with asyncio.timeout(None) as cut:
                self._cuts[task] = cut
                answer = await begin()
        except TimeoutError:
            if not cut.expired():
                raise
            return Reply(Ending.CANCELLED, signal="SIGKILL")
        except ServiceError:
            self._cuts[task] = around
            raise
        del self._cuts[task]  # what it left is collected and told, whatever comes
        return answer

    def cut(self) -> None:
        """End all programs, send home who waits, and let nobody in any more."""
        self._is_cut = True
        now = asyncio.get_running_loop().time()
        for cut in self._cuts.values():
            cut.reschedule(now)


def _draining() -> Draining:
    return Draining("The service is stopping and takes no new runs.", retry_after_seconds=5)
