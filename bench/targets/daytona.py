"""Measure the Daytona path against the emulator: what a steady run adds to one call, and sandboxes per conversation."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

from daytona import AsyncDaytona, DaytonaConfig

from bench import service
from bench.measure import median, percentile
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.languages import LANGUAGES
from librechat_code_interpreter.engines.daytona import bootstrap
from librechat_code_interpreter.engines.daytona.calls import Calls
from librechat_code_interpreter.engines.daytona.runner_exec import Pipe
from librechat_code_interpreter.engines.program_env import program_env
from librechat_code_interpreter.runner.messages import Request

_KEY = "emulator"
_WARM_UP = 3
_PROGRAM = "print(2+2)"


def measure(turns: int, call_seconds: float) -> dict[str, Any]:
    """Run a conversation, and repeat each turn's call with the SDK itself: the difference is the service's share."""
    with (
        _emulator(call_seconds) as address,
        service.running(
            "daytona",
            ADAPTER_ENGINE="daytona",
            DAYTONA_API_KEY=_KEY,
            DAYTONA_API_URL=f"{address}/api",
            DAYTONA_WARM_SANDBOXES="0",
        ) as running,
        asyncio.Runner() as runner,
    ):
        _forget(address)
        answer = running.execute("py", "n = 1; print(n)")
        direct = runner.run(_Direct.connect(address, _last_used(_log(address))))
        times, calls = [], []
        for _ in range(turns - 1):
            start = time.perf_counter()
            answer = running.execute("py", _PROGRAM, session_id=answer["session_id"])
            times.append((time.perf_counter() - start) * 1000)
            calls.append(runner.run(direct.call()) * 1000)
        runner.run(direct.close())
        entries = _log(address)
    over = [took - call for took, call in zip(times, calls, strict=True)][_WARM_UP:]
    created = [item for item in entries if item["method"] == "POST" and item["path"].rstrip("/").endswith("/sandbox")]
    return {
        "turns": turns,
        "call_latency_ms": 1000 * call_seconds,
        "exec_p50_ms": median(times[_WARM_UP:]),
        "call_p50_ms": median(calls[_WARM_UP:]),
        "over_one_call_p50_ms": median(over),
        "over_one_call_p95_ms": percentile(over, 0.95),
        "calls_per_steady_exec": _runs_since_first(entries) / (turns - 1) - 1,  # the other one is the direct call
        "sandboxes_created": len(created),
    }


class _Direct:
    """A client of the SDK without the service: the same request to the same sandbox, in one ``process.exec``."""

    def __init__(self, client: AsyncDaytona, pipe: Pipe) -> None:
        self._client = client
        self._pipe = pipe
        workspace, scratch = bootstrap.WORKSPACE, "/tmp"
        request = Request(
            LANGUAGES[0].program(_PROGRAM, []),
            workspace=workspace,
            scratch=scratch,
            env=program_env(workspace, scratch, threads=1),
        )
        self._request = request.to_json()

    @classmethod
    async def connect(cls, address: str, sandbox_id: str) -> _Direct:
        """Find the conversation's sandbox."""
        client = AsyncDaytona(DaytonaConfig(api_key=_KEY, api_url=f"{address}/api", otel_enabled=False))
        sandbox = await client.get(sandbox_id)
        return cls(client, Pipe(sandbox, bootstrap.runner_path(is_baked=False), Calls(Events())))

    async def call(self) -> float:
        """Run the program; return the seconds."""
        start = time.perf_counter()
        answer = await self._pipe.order("run", 60, request=self._request)
        if answer["reply"]["stdout"] != "4\n":
            raise RuntimeError(f"the direct call answered {answer}")
        return time.perf_counter() - start

    async def close(self) -> None:
        """Hang up."""
        await self._client.close()  # type: ignore[no-untyped-call]


def _last_used(entries: list[dict[str, Any]]) -> str:
    """Name the sandbox in which the last program ran; there is another one, of who waited for the service."""
    return [str(entry["path"]).split("/")[2] for entry in entries if entry["path"].endswith("/process/execute")][-1]


def _runs_since_first(entries: list[dict[str, Any]]) -> int:
    """Count the calls after the first run's, websockets aside, and but for the one that found the sandbox."""
    first = next(entry["number"] for entry in entries if entry["path"].endswith("/process/execute"))
    return len([entry for entry in entries if entry["number"] > first and entry["method"] != "WS"]) - 1


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
