"""Bound the runs in progress and those that wait, and end them when the service stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from app.core.errors import Busy, Draining, ServiceError
from app.core.slots import RunSlots, Slot
from app.runner.endings import Ending
from app.runner.messages import Reply

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time on the event loop's clock, in seconds."""

    at: float

    @property
    def seconds_left(self) -> float:
        """The time until then; 0 once it is over."""
        return max(0.0, self.at - asyncio.get_running_loop().time())


class Admission:
    """Count who is inside and who waits; everybody else hears 429 with a time to come again (K42)."""

    def __init__(self, slots: RunSlots, max_present: int, wait_seconds: float) -> None:
        self.wait_seconds = wait_seconds
        self._slots = slots
        self._limit = max_present
        self._slot_of: dict[asyncio.Task[object] | None, Slot] = {}
        self._cuts: dict[asyncio.Task[object] | None, asyncio.Timeout] = {}
        self._is_cut = False
        self.present = 0
        self.is_draining = False

    @property
    def running(self) -> int:
        """The number of programs that have a slot."""
        return self._slots.running

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

    def time_to_wait(self) -> Deadline:
        """Start the time that one request may wait, for its session and its slot together (K24)."""
        return Deadline(asyncio.get_running_loop().time() + self.wait_seconds)

    @asynccontextmanager
    async def slot(self, owner: str | None, deadline: Deadline) -> AsyncIterator[None]:
        """Hold a slot to run. Raises ``Busy`` when none is free in time."""
        async with self._slots.slot(owner, deadline.seconds_left) as slot:
            task = asyncio.current_task()
            self._slot_of[task] = slot
            try:
                yield
            finally:
                del self._slot_of[task]

    async def program(self, begin: Callable[[], Awaitable[T]], sandbox_id: str) -> T | Reply:
        """Let a program run in a sandbox; one that is cut off ends with ``CANCELLED``, and goes on to its answer.

        Raises ``Draining`` when it may not begin any more, and what ``begin`` raises: it has not begun then.
        """
        if self._is_cut:
            raise _draining()
        task = asyncio.current_task()
        self._slot_of[task].sandbox_id = sandbox_id
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
