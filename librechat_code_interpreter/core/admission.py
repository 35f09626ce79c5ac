"""Limits on running and queued runs, and cancellation of all of them when the service stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from librechat_code_interpreter.core.errors import Busy, Draining, ServiceError
from librechat_code_interpreter.core.slots import RunSlots, Slot
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Reply

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A time on the event loop's clock, in seconds."""

    at: float

    @property
    def seconds_left(self) -> float:
        """The time until then in seconds; 0 once it has passed."""
        return max(0.0, self.at - asyncio.get_running_loop().time())


class Admission:
    """Limits concurrent and queued runs; above that, 429 with ``Retry-After`` (K42)."""

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
        """Count a request from its arrival to its answer. Raises ``Busy`` or ``Draining``.

        With ``goes_on`` (a continuation of a started program) the request is admitted while the service drains.
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
        """Start the time limit of one request's waits: for its session and its slot together (K24)."""
        return Deadline(asyncio.get_running_loop().time() + self.wait_seconds)

    @asynccontextmanager
    async def slot(self, owner: str | None, deadline: Deadline) -> AsyncIterator[None]:
        """Acquire a slot for the duration of the block. Raises ``Busy`` if none is free before the deadline."""
        async with self._slots.slot(owner, deadline.seconds_left) as slot:
            task = asyncio.current_task()
            self._slot_of[task] = slot
            try:
                yield
            finally:
                del self._slot_of[task]

    async def program(self, begin: Callable[[], Awaitable[T]], sandbox_id: str) -> T | Reply:
        """Run a program in a sandbox; after ``cut`` it ends with ``CANCELLED``, and its request is still answered.

        Raises ``Draining`` if programs may no longer start. Passes on a ``ServiceError`` of ``begin``: the program has
        not started then.
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
        del self._cuts[task]  # ``cut`` must not interrupt collecting its files and answering
        return answer

    def cut(self) -> None:
        """Cancel all programs, refuse queued requests, and admit no new ones."""
        self._is_cut = True
        now = asyncio.get_running_loop().time()
        for cut in self._cuts.values():
            cut.reschedule(now)


def _draining() -> Draining:
    return Draining("The service is stopping and takes no new runs.", retry_after_seconds=5)
