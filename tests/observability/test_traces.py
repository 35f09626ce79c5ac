"""Traces reach a configured collector, join the caller's, and cost nothing without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.scripted import ScriptedEngine
from devtools.daytona_emulator.server import running
from devtools.daytona_emulator.settings import Settings
from librechat_code_interpreter.core import request_context
from librechat_code_interpreter.core.events import FinishedRun
from tests.contract.caller import Caller, refs_to
from tests.contract.service import serving
from tests.observability.collector import collecting
from tests.runtime import RUNTIME

SCRIPTED: Any = ScriptedEngine
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLERS_SPAN = "b7ad6b7169203331"
MARK = "m4rk-of-the-users-own"


async def _run_twice(caller: Caller) -> None:
    """Run a program that writes a file, and one that somebody else reads it with."""
    code = f"open('{MARK}.txt', 'w').write('{MARK}')"
    first = await caller.exec(code, user_id="ann")
    caller.http.headers["traceparent"] = f"00-{TRACE}-{CALLERS_SPAN}-01"
    await caller.exec(f"print('{MARK}')", files=refs_to(first), user_id="ben")


async def test_a_request_is_one_trace_with_its_steps_and_calls(tmp_path: Path) -> None:
    """Below the caller's span the request; below it the run, with a span for each step and each external call."""
    with collecting() as collected, running(Settings(api_key="k"), RUNTIME) as address:
        values: dict[str, Any] = {
            "adapter_engine": "daytona", "daytona_api_key": "k", "daytona_api_url": f"{address}/api",
            "otel_exporter_otlp_endpoint": collected.address,
        }  # fmt: skip
        async with serving(tmp_path, None, **values) as service:
            await _run_twice(service.caller())
    assert collected.services == {"librechat-code-interpreter"}
    requests = collected.named("POST /exec")
    assert len(requests) == 2
    second = requests[1]
    assert (second.trace_id.hex(), second.parent_span_id.hex()) == (TRACE, CALLERS_SPAN)
    trace = [span for span in collected.spans if span.trace_id == second.trace_id]
    below = {span.name for span in trace if span.parent_span_id == second.span_id}
    assert {"run", "store load", "store create", "daytona create", "daytona exec", "daytona upload"} <= below
    (run,) = [span for span in trace if span.name == "run" and span.parent_span_id == second.span_id]
    steps = [span for span in trace if span.parent_span_id == run.span_id]
    assert {"lookup", "queue", "sandbox", "stage", "run", "collect", "record"} == {span.name for span in steps}
    assert all(run.start_time_unix_nano <= span.start_time_unix_nano < span.end_time_unix_nano for span in steps)
    assert requests[0].trace_id != second.trace_id
    assert MARK not in str(collected.spans)


async def test_lines_of_the_log_name_the_trace(tmp_path: Path) -> None:
    """A log line has the trace's id."""
    lines: list[dict[str, str]] = []

    def note(_: FinishedRun) -> None:
        ours = request_context.current()
        assert ours is not None
        lines.append(ours.fields())

    with collecting() as collected:
        async with serving(tmp_path, SCRIPTED(), otel_exporter_otlp_endpoint=collected.address) as service:
            service.parts.events.on(FinishedRun, note)
            await _run_twice(service.caller())
    assert [line["trace_id"] for line in lines][1:] == [TRACE]


async def test_a_dead_collector_costs_nobody_anything(tmp_path: Path) -> None:
    """Requests are answered, and the service stops, although the collector is down."""
    async with serving(tmp_path, SCRIPTED(), otel_exporter_otlp_endpoint="http://127.0.0.1:9") as service:
        assert (await service.caller().exec("print(2+2)"))["stdout"] == "4\n"


async def test_probes_leave_no_trace(tmp_path: Path) -> None:
    """Health checks and metrics have no spans."""
    with collecting() as collected:
        async with serving(tmp_path, SCRIPTED(), otel_exporter_otlp_endpoint=collected.address) as service:
            for path in ("/healthz", "/v1/health", "/metrics"):
                await service.caller().http.get(path)
    assert collected.spans == []


def test_without_a_collector_nothing_is_imported(tmp_path: Path) -> None:
    """Without an endpoint the SDK is not loaded (FastAPI loads only the API)."""
    program = (
        "import sys; from librechat_code_interpreter.main import create_app;"
        "from librechat_code_interpreter.settings import Settings;"
        f"create_app(Settings(adapter_api_key='k', adapter_engine='local', file_store_url={str(tmp_path)!r}));"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    environment = {"PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert done.stdout == "[]\n"
