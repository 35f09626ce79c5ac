"""Generate requests, forms and frames for a given time: ``python -m tests.fuzz --minutes 20``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from attack.report import cell, put_between
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.contract.service import serving
from tests.fuzz import frames, multipart, schema

BEGIN = "<!-- fuzzing: begin (written by `make fuzz`) -->"
END = "<!-- fuzzing: end -->"
_FORMS_PART = _FRAMES_PART = 0.1
"""Parts of the time; schemathesis shares the rest out among its ways."""


@dataclass(frozen=True)
class Line:
    """Print how many were sent of one kind, and what failed."""

    name: str
    sent: int
    failed: int
    told: str = ""


def fuzz(seconds: float) -> Iterator[Line]:
    """Send everything, for this time in all."""
    left = seconds * (1 - _FORMS_PART - _FRAMES_PART)
    for way in schema.WAYS:
        with tempfile.TemporaryDirectory() as workdir:
            outcome = schema.made_up(Path(workdir), way, round(left * way.share))
        name = f"requests from openapi.json, {way.name}"
        yield Line(name, outcome.sent, outcome.failed + outcome.tracebacks, outcome.told)
    yield asyncio.run(_forms(seconds * _FORMS_PART))
    yield asyncio.run(_frames(seconds * _FRAMES_PART))


async def _forms(seconds: float) -> Line:
    with tempfile.TemporaryDirectory() as workdir:
        async with serving(Path(workdir), multipart.no_engine()) as service:

            async def send(random: Random) -> str | None:
                return await multipart.trouble(service, random.choice(("/upload", "/upload/batch")), random)

            return await _repeated("broken multipart bodies", seconds, send)


async def _frames(seconds: float) -> Line:
    store = SessionStore(open_blobs("memory://"))
    return await _repeated("forged and broken words of a runner", seconds, lambda random: frames.trouble(store, random))


async def _repeated(name: str, seconds: float, send: Callable[[Random], Awaitable[str | None]]) -> Line:
    """Repeat it, each time with a seed that a report can name."""
    first, sent, found = secrets.randbits(48), 0, []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        trouble = await send(Random(first + sent))
        if trouble:
            found.append(f"seed {first + sent}: {trouble}")
        sent += 1
    return Line(name, sent, len(found), "\n".join(found[:20]))


def table(lines: list[Line], minutes: float) -> str:
    """Write the table for the documents."""
    rows = "".join(f"| {cell(line.name)} | {line.sent} | {line.failed} |\n" for line in lines)
    return f"\n{minutes:g} minutes:\n\n| what | sent | failures |\n| --- | --- | --- |\n{rows}"


def main() -> int:
    """Run the command line; the exit code is 1 when anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="time in all")
    parser.add_argument("--write", type=Path, help="a Markdown file whose table is brought up to date")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)  # each broken message has its line
    lines = []
    for line in fuzz(asked.minutes * 60):
        lines.append(line)
        print(f"{line.name}: {line.sent} sent, {line.failed} failures", flush=True)
        if line.failed:
            print(line.told, flush=True)
    if asked.write is not None:
        put_between(asked.write, BEGIN, END, table(lines, asked.minutes))
    return int(any(line.failed for line in lines))


if __name__ == "__main__":
    sys.exit(main())
