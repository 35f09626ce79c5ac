"""Measure what a run costs each part of a deployment: a real replica, redis-server, S3 server, Daytona emulator."""

from __future__ import annotations

import re
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.replicas.deployment import API_KEY, Deployment

_KINDS = ("first", "plain", "writing")
_PROGRAMS = {
    "first": "n = 1; print(n)",
    "plain": "print(2+2)",
    "writing": "open('table.csv', 'a').write('x' * 20000)",
}
_BUCKET_REQUEST = re.compile(r'"(?:GET|PUT|HEAD|DELETE|POST) /')
_IDLE_SECONDS = 5.0
_REDIS_OWN = ("info", "auth", "hello", "client", "ping", "select", "config")


class _Usual(Deployment):
    """Keep sandboxes and clean up as a service does by default; the tests' own have short times."""

    def _settings(self) -> dict[str, str]:
        short = ("SESSION_TTL_SECONDS", "CLEANUP_INTERVAL_SECONDS")
        return {name: value for name, value in super()._settings().items() if name not in short}


def measure(conversations: int) -> dict[str, Any]:
    """Run this many conversations on one replica, kind by kind; return each kind's cost for one run."""
    with tempfile.TemporaryDirectory(prefix="scale-") as place:
        directory = Path(place)
        deployment = _Usual(directory, 1)
        with deployment.living():
            return _measured(deployment, directory, conversations)


def _measured(deployment: Deployment, directory: Path, conversations: int) -> dict[str, Any]:
    headers = {"X-API-Key": API_KEY}
    address = f"http://127.0.0.1:{deployment.replicas[0].port}"
    with httpx.Client(base_url=address, headers=headers, timeout=120) as client:
        _run(client, _PROGRAMS["plain"], None)  # what is done once in a process's life is nobody's cost
        sessions: list[str | None] = [None] * conversations
        found: dict[str, Any] = {"idle_second": (idle := _idle(client, deployment, directory))}
        for kind in _KINDS:
            began, before = time.monotonic(), _counts(client, deployment, directory)
            sessions = [_run(client, _PROGRAMS[kind], session) for session in sessions]
            after, took = _counts(client, deployment, directory), time.monotonic() - began
            found[kind] = {
                name: max(0.0, (after[name] - before[name] - took * idle[name]) / conversations) for name in before
            }
    return found


def _idle(client: httpx.Client, deployment: Deployment, directory: Path) -> dict[str, float]:
    """Return the cost of a second without runs: cleanup, and upkeep of warm sandboxes and locks."""
    before = _counts(client, deployment, directory)
    time.sleep(_IDLE_SECONDS)
    after = _counts(client, deployment, directory)
    return {name: (after[name] - before[name]) / _IDLE_SECONDS for name in before}


def _run(client: httpx.Client, code: str, session: str | None) -> str:
    body = {"lang": "py", "code": code} | ({"session_id": session} if session else {})
    answer = client.post("/exec", json=body).raise_for_status().json()
    if answer["code"] != 0:
        raise RuntimeError(f"the program ended with {answer['code']}: {answer['stderr'][-300:]}")
    session_id: str = answer["session_id"]
    return session_id


def _counts(client: httpx.Client, deployment: Deployment, directory: Path) -> dict[str, float]:
    """Count what was used so far. A Redis script is a round trip of ours, a *step* any command, scripts' own too."""
    metrics = client.get("/metrics").raise_for_status().text
    commands: Any = deployment.redis.admin.info("commandstats")
    traffic: Any = deployment.redis.admin.info("stats")
    calls = {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in commands.items()}
    steps = sum(count for name, count in calls.items() if name.partition("|")[0] not in _REDIS_OWN)
    return {
        "service_cpu_ms": 1000 * _metric(metrics, "process_cpu_seconds_total"),
        "redis_scripts": calls.get("evalsha", 0),
        "redis_steps": steps,
        "redis_bytes": traffic["total_net_input_bytes"] + traffic["total_net_output_bytes"],
        "bucket_requests": len(_BUCKET_REQUEST.findall((directory / "moto.log").read_text(errors="replace"))),
        "bucket_bytes": _metric(metrics, "code_interpreter_store_bytes_total"),
        "daytona_calls": len(deployment.cloud.calls()),
    }


def _metric(text: str, name: str) -> float:
    """Add up all series of a metric."""
    lines = (line for line in text.splitlines() if re.match(rf"{name}(\{{|\s)", line))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
