"""Stop: wait for what is under way, for so long and no longer, and let the server close its port only then.

uvicorn closes its port at the first SIGTERM. A load balancer that has not noticed yet would see connections refused,
and a program that waits for a tool would wait for an answer that cannot come. So its handlers of signals are ours for
as long as the service lives.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

from uvicorn import Server

from app.api.in_flight import InFlightRequests
from app.core.admission import Admission
from app.core.tasks import end
from app.core.tool_pauses import ToolPauses
from app.server import running_server

log = logging.getLogger(__name__)

ANSWER_SECONDS = 3
"""What the answers of runs that were cut off may take, and after that what the server may take to send the last."""

CLOSE_SECONDS = 15
"""What closing everything may take for who has told us twice."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECONDS = 0.1


class Drain:
    """Let what is under way end, and begin nothing new."""

    def __init__(
        self, admission: Admission, paused_runs: ToolPauses, traffic: InFlightRequests, seconds: float
    ) -> None:
        self._admission = admission
        self._paused_runs = paused_runs
        self._traffic = traffic
        self._seconds = seconds
        self._limit: asyncio.Timeout | None = None
        self._is_hurried = False
        self.is_over = False

    def hurry(self) -> None:
        """Wait no longer."""
        self._is_hurried = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Wait for runs, uploads and downloads; cut off what does not end in time. The second time do nothing."""
        if self.is_over:
            return
        self._admission.is_draining = True
        log.info("stopping: no new runs; %d are under way", self._admission.present)
        try:
            async with asyncio.timeout(0 if self._is_hurried else self._seconds) as self._limit:
                await self._programs_end()
                await self._traffic.quiet()
        except TimeoutError:
            await self._cut()
        self.is_over = True

    async def _programs_end(self) -> None:
        """Wait for programs, also for those that wait for a tool: their results may still come."""
        while self._admission.present or await self._paused_runs.depend_on_us():  # noqa: ASYNC110  the leases are asked
            await asyncio.sleep(_LOOK_SECONDS)

    async def _cut(self) -> None:
        log.warning("some runs did not end in time and are cut off")
        self._admission.cut()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._traffic.quiet()
        except TimeoutError:
            log.warning("%d requests did not end in time and are broken off", self._traffic.break_off())


class Signals:
    """Take the signals of uvicorn's server: the first drains, the second ends the wait."""

    def __init__(self, server: Server, drain: Drain) -> None:
        self._server = server
        self._drain = drain
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None
        self._again: int | None = None
        self._theirs = {number: signal.getsignal(number) for number in _SIGNALS}

    def take(self) -> None:
        """Hear signals from now on."""
        for number in _SIGNALS:
            signal.signal(number, self._heard)

    def _heard(self, number: int, _: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._told, number)

    def _told(self, number: int) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._stop())
            return
        log.warning("told twice to stop: not waiting any longer")
        self._again = number
        self._drain.hurry()
        if self._draining.done():
            self._end()
        self._loop.call_later(CLOSE_SECONDS, os._exit, 128 + number)

    async def _stop(self) -> None:
        await self._drain.run()
        self._end()

    def _end(self) -> None:
        """Let the server close its port, send what is left to send, and end the service."""
        config = self._server.config
        config.timeout_graceful_shutdown = min(config.timeout_graceful_shutdown or ANSWER_SECONDS, ANSWER_SECONDS)
        if self._again is not None:
            self._server.handle_exit(self._again, None)  # the process ends by this signal, for who looks at its code
        self._server.should_exit = True

    async def release(self) -> None:
        """Give the signals back."""
        for number, handler in self._theirs.items():
            signal.signal(number, handler)
        if self._draining is not None:
            await end(self._draining)


@asynccontextmanager
async def stopping_gently(drain: Drain) -> AsyncIterator[None]:
    """Drain at the first signal to stop, or at the end of the block where signals are somebody else's."""
    server = running_server()
    signals = Signals(server, drain) if server is not None else None
    if signals is not None:
        signals.take()
    try:
        yield
    finally:
        await drain.run()
        if signals is not None:
            await signals.release()
