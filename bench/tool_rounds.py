"""Time a program that calls a tool a hundred times: from the result to the next pause, through the whole service.

    python -m bench.tool_rounds [ROUNDS]

Both engines, one after the other, the Daytona one against the emulator without a delay. Also counts how often the
program's own effects happened: it must be once for each call.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from devtools.daytona_emulator.server import running
from devtools.daytona_emulator.settings import Settings
from tests.service import ROOT, LiveService, running_service

TOOLS = [{"name": "step", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}}]
PROGRAM = """
for n in range({rounds}):
    open("effects", "a").write("x")
    await step(n=n)
print(len(open("effects").read()))
"""


def main(rounds: int = 100) -> None:
    """Print one line for each engine."""
    with tempfile.TemporaryDirectory() as directory:
        for engine, service in _services(Path(directory)):
            times, effects = _play(service, rounds)
            times.sort()
            print(
                f"{engine}: {rounds} rounds, {effects} effects;"
                f" ms from a result to the next pause or the end:"
                f" p50 {statistics.median(times):.1f}, p95 {times[int(len(times) * 0.95)]:.1f}, max {times[-1]:.1f}"
            )


def _services(directory: Path) -> Iterator[tuple[str, LiveService]]:
    for name in ("local", "daytona"):
        (directory / name).mkdir()
    with running_service(directory / "local") as service:
        yield "local", service
    with _emulated(directory / "daytona") as service:
        yield "daytona", service


@contextmanager
def _emulated(directory: Path) -> Iterator[LiveService]:
    with running(Settings(), ROOT / ".sandbox") as address:
        settings = {"ADAPTER_ENGINE": "daytona", "DAYTONA_API_KEY": "emulator", "DAYTONA_API_URL": f"{address}/api"}
        with running_service(directory, **settings) as service:
            yield service


def _play(service: LiveService, rounds: int) -> tuple[list[float], int]:
    times = []
    headers = {"X-API-Key": service.api_key}
    with httpx.Client(base_url=f"{service.url}/", headers=headers, timeout=120) as client:
        answer = _ask(client, {"code": PROGRAM.format(rounds=rounds), "tools": TOOLS, "timeout": 60_000})
        while answer["status"] == "tool_call_required":
            results = [{"call_id": call["id"], "result": 1} for call in answer["tool_calls"]]
            started = time.perf_counter()
            answer = _ask(client, {"continuation_token": answer["continuation_token"], "tool_results": results})
            times.append((time.perf_counter() - started) * 1000)
    return times, int(answer["stdout"])


def _ask(client: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:
    reply = client.post("exec/programmatic", json=body)
    reply.raise_for_status()
    answer: dict[str, Any] = reply.json()
    return answer


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
