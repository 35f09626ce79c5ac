"""Setup of a fault: a service with files, a usual state to return to, and the check afterwards."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.faults.count import Count
from tests.faults.holdings import Holdings, held_by
from tests.faults.ledger import LARGE, Ledger, half_written
from tests.faults.service import IMPATIENT, POLL_SECONDS, Process

COME_AGAIN = (429, 503)
SETTLED_WITHIN_SECONDS = 60.0
_FEW = 1000
_LOOKS, _LOOK_SECONDS = 30, 0.05


@dataclass
class Scene:
    """What a fault needs to know."""

    process: Process
    client: httpx.AsyncClient
    ledger: Ledger
    count: Count
    usual: Holdings
    redis_port: int | None

    def expect(self, answer: httpx.Response, *statuses: int) -> None:
        """Record a wrong answer."""
        if answer.status_code not in statuses:
            self.count.left.append(f"{answer.request.url.path}: {answer.status_code} {answer.text[:200]}")

    async def refuses(self, *sizes: int) -> None:
        """An upload is refused with ``Retry-After``; nothing of it is acknowledged."""
        answer = await self.ledger.upload(self.client, *sizes)
        self.expect(answer, *COME_AGAIN)
        if "Retry-After" not in answer.headers:
            self.count.left.append("no Retry-After")

    async def runs(self, **request: Any) -> None:
        """A program runs, and its file is kept."""
        self.expect(await self.ledger.run(self.client, _FEW, **request), httpx.codes.OK)

    async def goes_on(self) -> None:
        """The next requests succeed: an upload, a run in its session, a run in a new one."""
        answer = await self.ledger.upload(self.client, _FEW, LARGE)
        self.expect(answer, httpx.codes.OK)
        if answer.status_code == httpx.codes.OK:
            await self.runs(session_id=answer.json()["session_id"])
        await self.runs()

    async def look(self) -> None:
        """Check every acknowledged file; find truncated ones and leftovers."""
        await self.ledger.look(self.client, self.count)
        if self.process.store.is_dir():
            self.count.left += half_written(self.process.store)
        deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
        # what was seen counts: one more look, later, might meet the jail of the next clean-up
        while (excess := self._excess()) and time.monotonic() < deadline:  # noqa: ASYNC110  it goes in another process
            await asyncio.sleep(POLL_SECONDS)
        self.count.left += excess

    def _excess(self) -> list[str]:
        return self.holds().excess(self.usual)

    def holds(self) -> Holdings:
        """Count the service's resources, without the connections to Redis, which its pool keeps."""
        return held_by(self.process.pid, self.process.tmp, self.redis_port)


@asynccontextmanager
async def scene(fault: str, directory: Path, **settings: str) -> AsyncIterator[Scene]:
    """Start a service, upload files to keep, and check them at the end."""
    usual = {"SESSION_TTL_SECONDS": "1", "CLEANUP_INTERVAL_SECONDS": "1", "METRICS_ACCESS": "open"}
    process = Process(directory, usual | settings, IMPATIENT)
    process.start()
    try:
        await asyncio.to_thread(process.wait_until_ready)
        async with process.client() as client:
            redis_port = urlsplit(settings["REDIS_URL"]).port if "REDIS_URL" in settings else None
            found = Scene(process, client, Ledger(), Count(fault), held_by(process.pid, process.tmp), redis_port)
            await found.goes_on()
            await _at_rest(found)
            found.usual = await _usually_held(found)
            yield found
            await found.goes_on()
            await found.look()
    finally:
        if process.is_alive():
            process.end(signal.SIGKILL)


async def _at_rest(found: Scene) -> None:
    """Let idle sandboxes expire, so that only permanent resources remain."""
    deadline = time.monotonic() + SETTLED_WITHIN_SECONDS
    while "code_interpreter_sandboxes 0.0" not in (await found.client.get("/metrics")).text:
        assert time.monotonic() < deadline, "sandboxes are not swept"
        await asyncio.sleep(POLL_SECONDS)


async def _usually_held(found: Scene) -> Holdings:
    """Return the most resources at rest, over some rounds of cleanup: each takes a jail, and makes another."""
    looks = []
    for _ in range(_LOOKS):
        looks.append(found.holds())
        await asyncio.sleep(_LOOK_SECONDS)
    return Holdings(*(max(getattr(look, name) for look in looks) for name in Holdings.__slots__))
