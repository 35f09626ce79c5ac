"""Graceful shutdown: drain for a bounded time, and only then let the server close its port.

uvicorn closes its port at the first SIGTERM. A load balancer that has not noticed yet would see refused connections. A
paused program would wait for tool results that cannot arrive. So this module replaces uvicorn's signal handlers while
the service runs.
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

from librechat_code_interpreter.api.in_flight import InFlightRequests
from librechat_code_interpreter.core.admission import Admission
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.core.tool_pauses import ToolPauses
from librechat_code_interpreter.server import running_server

log = logging.getLogger(__name__)

ANSWER_SECONDS = 3
"""Time limit for the responses of runs that were cut off, and then again for the server to send the last ones."""

CLOSE_SECONDS = 15
"""Time limit for closing everything after a second signal."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECONDS = 0.1


class Drain:
    """Lets runs and requests in flight finish, and starts no new runs."""

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
        """End the wait now."""
        self._is_hurried = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Wait for runs, uploads and downloads; cut off those over the time limit. A second call does nothing."""
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
        """Wait for programs, including paused ones, whose tool results may still arrive."""
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
    """Replaces the signal handlers of uvicorn's server: the first signal drains, the second ends the wait."""

    def __init__(self, server: Server, drain: Drain) -> None:
        self._server = server
        self._drain = drain
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None
        self._again: int | None = None
        self._theirs = {number: signal.getsignal(number) for number in _SIGNALS}

    def take(self) -> None:
        """Install our signal handlers."""
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
        """Let the server close its port, send the remaining output, and end the service."""
        config = self._server.config
        config.timeout_graceful_shutdown = min(config.timeout_graceful_shutdown or ANSWER_SECONDS, ANSWER_SECONDS)
        if self._again is not None:
            self._server.handle_exit(self._again, None)  # the process ends by this signal, as its exit status shows
        self._server.should_exit = True

    async def release(self) -> None:
        """Restore the previous handlers and end the drain task."""
        for number, handler in self._theirs.items():
            signal.signal(number, handler)
        if self._draining is not None:
            await end(self._draining)


@asynccontextmanager
async def stopping_gently(drain: Drain) -> AsyncIterator[None]:
    """Drain at the first signal to stop, or at the end of the block if another program handles signals."""
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
