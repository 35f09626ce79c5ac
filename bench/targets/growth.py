"""Measure how latency grows with live sessions, and with files in a session."""

from __future__ import annotations

from typing import Any

from bench import http, service
from bench.measure import median, sample
from bench.programs import BY_NAME

_CALLS = 25
_MAKE = """
import os
for number in range({0}):
    os.makedirs(f"d{{number // 100}}", exist_ok=True)
    open(f"d{{number // 100}}/f{{number}}.txt", "w").write("x")
"""


def measure(live: tuple[int, ...], files: tuple[int, ...]) -> dict[str, Any]:
    """Return curves: medians in milliseconds by number."""
    most = str(max(live) + 2 * _CALLS * len(live) + 8)
    with service.running("sessions", MAX_SANDBOXES=most) as running:
        sessions = _by_sessions(running, live)
    with service.running("files", ARTIFACT_MAX_FILES=str(max(files) + 8)) as running:
        return {"sessions": sessions, "files": {str(count): _by_files(running, count) for count in files}}


def _by_sessions(running: service.Service, live: tuple[int, ...]) -> dict[str, dict[str, float]]:
    curve: dict[str, dict[str, float]] = {}
    made = 0
    for wanted in live:
        known = ""
        while made < wanted:
            known = running.execute("py", "print(2+2)")["session_id"]
            made += 1
        curve[str(wanted)] = {
            "new_session_ms": _median(lambda: http.run_case(running.port, running.key, BY_NAME["print"])),
            "same_session_ms": _median(lambda known=known: running.execute("py", "print(2+2)", session_id=known)),
        }
        made += _CALLS
    return curve


def _by_files(running: service.Service, count: int) -> dict[str, float]:
    session = running.execute("py", _MAKE.format(count), timeout=120_000)["session_id"]
    listed = [
        _median(lambda: running.execute("py", "print(2+2)", session_id=session), 10),
        _median(lambda: running.ask("GET", f"/files/{session}"), 10),
    ]
    return {"run_ms": listed[0], "list_ms": listed[1]}


def _median(call: Any, calls: int = _CALLS) -> float:
    call()
    return median(sample(lambda _: call(), calls, 1, 60.0).times)
