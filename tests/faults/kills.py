"""Kill the service with SIGKILL at random moments of its work, restart it, and check."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from tests.engine.processes import is_alive
from tests.faults.count import Count
from tests.faults.holdings import groups_of, held_by, stored
from tests.faults.ledger import LARGE, Ledger, half_written
from tests.faults.service import Process, living, until

Work = Callable[[httpx.AsyncClient], Awaitable[object]]
_OLD = 1e9
"""A time (seconds since the epoch) that is long ago."""


class Killing:
    """The service that is killed again and again."""

    def __init__(self, process: Process, seed: int) -> None:
        self.process = process
        self.ledger = Ledger()
        self.works: dict[str, Work] = {
            "upload": self._upload, "stage": self._stage, "run": self._run, "collect": self._collect,
            "delete": self._delete,
        }  # fmt: skip
        self._random = random.Random(seed)
        self._seconds: dict[str, float] = {}

    async def learn(self) -> None:
        """Measure how long everything takes undisturbed; also upload files to work with."""
        async with self.process.client() as client:
            for name, work in self.works.items():
                await self.ledger.upload(client, 1000, LARGE)
                began = time.monotonic()
                await work(client)
                self._seconds[name] = time.monotonic() - began

    async def kill_during(self, name: str, count: Count) -> None:
        """Begin something, kill the service at some moment of it, restart it and check."""
        known = set(self.ledger.files)
        async with self.process.client() as client:
            work = asyncio.ensure_future(self.works[name](client))
            await asyncio.sleep(self._random.uniform(0, 1.1 * self._seconds[name]))
            pid, below = self.process.pid, self.process.below()
            self.process.end(signal.SIGKILL)
            await asyncio.wait([work])
            if isinstance(error := work.exception(), Exception) and not isinstance(error, httpx.TransportError):
                raise error
        count.times += 1
        self.process.start()
        await until(lambda: not any(is_alive(other) for other in below), "what the killed service started is gone")
        await asyncio.to_thread(self.process.wait_until_ready)
        count.left += [f"control group {group.name}" for group in groups_of(pid)]
        if held_by(self.process.pid, self.process.tmp).temporary:
            count.left.append("temporary files")
        async with self.process.client() as client:
            await self._goes_on(client, name, count, known)

    async def _goes_on(self, client: httpx.AsyncClient, name: str, count: Count, known: set[tuple[str, str]]) -> None:
        """What was acknowledged is there at once, and the session of the interrupted work is free."""
        some = self._random.sample(sorted(self.ledger.files), min(3, len(self.ledger.files)))
        await self.ledger.look(client, count, {*some, *(set(self.ledger.files) - known)})
        session_id = some[0][0]
        answer = await client.post("/exec", json={"lang": "bash", "code": "echo 4", "session_id": session_id})
        if answer.status_code != httpx.codes.OK or answer.json()["stdout"] != "4\n":
            count.left.append(f"after {name}: the next run fails: {answer.text[:200]}")

    async def _upload(self, client: httpx.AsyncClient) -> None:
        await self.ledger.upload(client, 1000, 300_000, LARGE)

    def _any(self, *, large: bool = False) -> tuple[str, str]:
        files = [place for place, name in sorted(self.ledger.files.items()) if not large or name.endswith(str(LARGE))]
        return self._random.choice(files)

    async def _stage(self, client: httpx.AsyncClient) -> None:
        session_id, file_id = self._any(large=True)
        refs = [{"id": file_id, "session_id": session_id, "name": "in.bin"}]
        request = {"lang": "bash", "code": "wc -c < in.bin", "files": refs}
        answer = (await client.post("/exec", json=request)).json()
        assert answer["stdout"] == f"{LARGE}\n", answer

    async def _run(self, client: httpx.AsyncClient) -> None:
        await self.ledger.run(client, 1000, session_id=self._any()[0])

    async def _collect(self, client: httpx.AsyncClient) -> None:
        await self.ledger.run(client, *[20_000] * 8, LARGE)

    async def _delete(self, client: httpx.AsyncClient) -> None:
        await self.ledger.delete(client, self._any())


async def kill(directory: Path, times: int, seed: int = 1) -> list[Count]:
    """Kill the service this many times, in turn during each kind of work; return a row for each kind."""
    with living(Process(directory, {"CLEANUP_INTERVAL_SECONDS": "1"})) as process:
        killing = Killing(process, seed)
        await killing.learn()
        counts = {name: Count(f"service killed during {name}") for name in killing.works}
        for number in range(times):
            name = list(counts)[number % len(counts)]
            await killing.kill_during(name, counts[name])
        whole = Count(f"all of that: {times} kills", times)
        async with process.client() as client:
            await killing.ledger.look(client, whole)
        whole.left += half_written(process.store)
        await _unfinished_files_go(process, whole)
        return [*counts.values(), whole]


async def _unfinished_files_go(process: Process, count: Count) -> None:
    """What killed writers left unfinished is invisible; it is removed when it is old."""
    unfinished = [name for name in stored(process.store) if "#" in name]
    for name in unfinished:
        os.utime(process.store / name, (_OLD, _OLD))
    process.end(signal.SIGKILL)
    process.start()
    await asyncio.to_thread(process.wait_until_ready)
    await until(lambda: not any("#" in name for name in stored(process.store)), "unfinished files are swept")
    count.fault += f" ({len(unfinished)} unfinished files swept)"
