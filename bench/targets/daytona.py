"""Measure the Daytona path against the emulator: what a steady run adds to one call, and sandboxes per conversation."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from bench import service
from bench.measure import median, percentile

_KEY = "emulator"
_WARM_UP = 3


def measure(turns: int, call_seconds: float) -> dict[str, Any]:
    """Run conversations; the emulator's own log tells the calls, and how long each took there."""
    with (
        _emulator(call_seconds) as address,
        service.running(
            "daytona",
            ADAPTER_ENGINE="daytona",
            DAYTONA_API_KEY=_KEY,
            DAYTONA_API_URL=f"{address}/api",
            DAYTONA_WARM_SANDBOXES="0",
        ) as running,
    ):
        _forget(address)
        times, answer = [], running.execute("py", "n = 1; print(n)")
        for _ in range(turns - 1):
            start = time.perf_counter()
            answer = running.execute("py", "print(2+2)", session_id=answer["session_id"])
            times.append((time.perf_counter() - start) * 1000)
        entries = _log(address)
    runs = [entry for entry in entries if entry["path"].endswith("/process/execute")]
    calls = [1000 * entry["seconds"] for entry in runs[-(turns - 1) :]]
    over = [took - call for took, call in zip(times, calls, strict=True)][_WARM_UP:]
    created = [item for item in entries if item["method"] == "POST" and item["path"].rstrip("/").endswith("/sandbox")]
    return {
        "turns": turns,
        "call_latency_ms": 1000 * call_seconds,
        "exec_p50_ms": median(times[_WARM_UP:]),
        "call_p50_ms": median(calls[_WARM_UP:]),
        "over_one_call_p50_ms": median(over),
        "over_one_call_p95_ms": percentile(over, 0.95),
        "calls_per_steady_exec": (len(_after_first(entries, runs)) / (turns - 1)) if runs else 0,
        "sandboxes_created": len(created),
    }


def _after_first(entries: list[dict[str, Any]], runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the calls after the first run's, websockets aside."""
    first = runs[0]["number"]
    return [entry for entry in entries if entry["number"] > first and entry["method"] != "WS"]


@contextlib.contextmanager
def _emulator(call_seconds: float) -> Iterator[str]:
    command = [sys.executable, "-m", "devtools.daytona_emulator", "--port", "0", "--no-validate"]
    command += ["--latency-seconds", str(call_seconds), "--runtime", str(service.RUNTIME)]
    with subprocess.Popen(command, cwd=service.ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the emulator has no output")
            yield process.stdout.readline().strip().partition("=")[2].removesuffix("/api")
        finally:
            process.terminate()


def _log(address: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{address}/__emulator/log", timeout=10) as reply:  # noqa: S310  our own emulator
        entries: list[dict[str, Any]] = json.load(reply)
    return entries


def _forget(address: str) -> None:
    order = urllib.request.Request(f"{address}/__emulator/log", method="DELETE")  # noqa: S310
    urllib.request.urlopen(order, timeout=10).close()  # noqa: S310
