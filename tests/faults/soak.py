"""Let a service work for a while, and check that it uses no more afterwards than before: ``make soak``.

What it holds is compared between two moments at which nothing is under way and everything idle was cleaned up: once it
is warm, and at the end. So a slow machine changes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from librechat_code_interpreter.core.tasks import end
from tests.faults import report
from tests.faults.holdings import Holdings, held_by, resident_bytes, stored
from tests.faults.load import Load
from tests.faults.service import Process, living

WARM_UP_TIMES = 5
"""How often everything is done, twice at once, before the service counts as warm."""

WARM_PART = 0.2
"""The part of the time before the first look."""

MEMORY_BYTES = 4 << 20
"""What memory may differ by chance."""

_SETTINGS = {
    "SESSION_TTL_SECONDS": "5", "CLEANUP_INTERVAL_SECONDS": "2", "FILE_TTL_SECONDS": "86400",
    "MAX_CONCURRENT_RUNS": "2", "METRICS_ACCESS": "open",
    # what is freed goes back at once: else what malloc keeps for later hides whether the service kept anything
    "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536",
}  # fmt: skip
_SETTLED_WITHIN_SECONDS = 120.0
_LOOK_SECONDS = 1.0
_LONG_AGO = 1e9
_LIFETIME_SECONDS = 30.0
_SANDBOXES = re.compile(r"^code_interpreter_sandboxes(?:\{[^}]*\})? ([\d.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Moment:
    """The figures of one moment at which nothing is under way."""

    held: Holdings
    memory: int
    leases: int
    files: int


@dataclass
class Soaked:
    """What came out."""

    seconds: float
    done: Counter[str]
    before: Moment
    after: Moment
    complaints: list[str] = field(default_factory=list)


async def soak(directory: Path, seconds: float, seed: int = 1) -> Soaked:
    """Work, look, work on, look again."""
    with living(Process(directory, _SETTINGS)) as process:
        async with process.client() as client:
            began, load = time.monotonic(), Load(client, seed)
            aging = [asyncio.create_task(_grow_old(process.store)), asyncio.create_task(_tell(process))]
            await load.warm_up(WARM_UP_TIMES)
            await load.work(seconds * WARM_PART)
            before = await _at_rest(process, client, None)
            await load.work(seconds * (1 - WARM_PART))
            for task in aging:
                await end(task)
            after = await _at_rest(process, client, before)
            soaked = Soaked(time.monotonic() - began, load.done, before, after)
            soaked.complaints = _complaints(before, after)
            return soaked


async def _at_rest(process: Process, client: httpx.AsyncClient, before: Moment | None) -> Moment:
    """Return the figures once all that is idle or expired is gone, or the time for that is over."""
    deadline = time.monotonic() + _SETTLED_WITHIN_SECONDS
    while True:
        _expire(process.store)
        await asyncio.sleep(_LOOK_SECONDS)
        moment = await _look(process, client)
        is_at_rest = not _left(moment) and (before is None or not moment.held.excess(before.held))
        if is_at_rest or time.monotonic() > deadline:
            return moment


async def _tell(process: Process) -> None:
    """Print progress from time to time."""
    while True:
        await asyncio.sleep(60)
        print(f"{resident_bytes(process.pid) / (1 << 20):6.1f} MiB  {held_by(process.pid, process.tmp)}", flush=True)


async def _grow_old(store: Path) -> None:
    """Let sessions expire all the time, as they do when a service is a week old."""
    while True:
        await asyncio.sleep(_LIFETIME_SECONDS / 2)
        _expire(store, _LIFETIME_SECONDS)


def _expire(store: Path, unused_seconds: float = 0.0) -> None:
    """Make every session that was not written to for this time look older than FILE_TTL_SECONDS."""
    for path in (store / name for name in stored(store)):
        with contextlib.suppress(FileNotFoundError):  # erased meanwhile
            if path.stat().st_mtime <= time.time() - unused_seconds:
                os.utime(path, (_LONG_AGO, _LONG_AGO))


async def _look(process: Process, client: httpx.AsyncClient) -> Moment:
    page = (await client.get("/metrics")).text
    leases = _SANDBOXES.search(page)
    assert leases is not None, page
    return Moment(
        held_by(process.pid, process.tmp), resident_bytes(process.pid), int(float(leases.group(1))),
        len(stored(process.store)),
    )  # fmt: skip


def _complaints(before: Moment, after: Moment) -> list[str]:
    found = after.held.excess(before.held)
    if after.memory > before.memory + MEMORY_BYTES:
        found.append(f"{(after.memory - before.memory) >> 20} MiB more memory")
    return found + _left(after)


def _left(moment: Moment) -> list[str]:
    return [f"{number} {name} left" for name, number in (("leases", moment.leases), ("files", moment.files)) if number]


def main() -> int:
    """Soak and report; return 1 if anything grew."""
    parser = argparse.ArgumentParser("python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--write", type=Path, help="the Markdown file whose table is brought up to date")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        soaked = asyncio.run(soak(Path(directory, "service"), options.minutes * 60))
    text = report.soak_table(soaked)
    print(text)
    if options.write is not None:
        report.write(options.write, "soak", text)
    return int(bool(soaked.complaints))


if __name__ == "__main__":
    sys.exit(main())
