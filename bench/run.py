"""Do one whole run and put everything it found into plain data."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import matrix, service, verdicts
from bench.crew import Result
from bench.measure import median, percentile
from bench.noise import Noise
from bench.plan import Plan
from bench.programs import IMPORTS
from bench.targets import daytona, footprint, growth, load, share, stored, transfer

MiB = 1 << 20
_REST_SECONDS = 0.5


def run(plan: Plan) -> dict[str, Any]:
    """Measure the matrix and the targets' own figures, and judge."""
    noise = Noise()
    noise.look()
    with service.running() as running:
        _warm_up(running)
        results = matrix.measure(plan, running, noise)
        how = running.account.how
    measured = _measured(plan, noise)
    found = {
        "plan": plan.name,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "processor_time_from": how,
        "rows": [_row(case, at_once, name, result) for (case, at_once, name), result in results.items()],
        "measured": measured,
        "noise": noise.summary(),
    }
    return found | {"targets": verdicts.judge(found)}


def _warm_up(running: service.Service) -> None:
    """Wait until the service has loaded the data stack, which it does after it is ready, and is at rest."""
    running.execute("py", IMPORTS)
    time.sleep(_REST_SECONDS)


def again(found: dict[str, Any], plan: Plan, part: str) -> dict[str, Any]:
    """Measure one part of a run anew, and note that it was. Raises what measuring it raises."""
    found["measured"][part] = _parts(plan)[part]()
    found.setdefault("again", {})[part] = datetime.now(UTC).isoformat(timespec="seconds")
    return found | {"targets": verdicts.judge(found)}


def _parts(plan: Plan) -> dict[str, Callable[[], dict[str, Any]]]:
    return {
        "share": lambda: share.measure(plan.share_requests),
        "stored": lambda: stored.measure(plan.stored_sessions),
        "transfer": lambda: transfer.measure(plan.transfer_mib),
        "footprint": lambda: footprint.measure(plan.idle_sessions),
        "growth": lambda: growth.measure(plan.live_sessions, plan.session_files),
        "load": lambda: load.measure(plan.burst, plan.load_seconds, plan.waves),
        "daytona": lambda: daytona.measure(plan.turns, plan.call_seconds),
    }


def _measured(plan: Plan, noise: Noise) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, part in _parts(plan).items():
        matrix.say(name)
        noise.look()
        try:
            found[name] = part()
        except (RuntimeError, OSError) as error:  # one figure that cannot be had must not lose the others
            found[name] = {"error": f"{type(error).__name__}: {error}"[:500]}
    return found


def _row(case: str, at_once: int, contender: str, result: Result) -> dict[str, Any]:
    row: dict[str, Any] = {"case": case, "at_once": at_once, "contender": contender, "cannot": result.cannot}
    if result.cannot or not result.sample.times:
        return row | {"failures": dict(result.sample.failures)}
    times, failures = result.sample.times, dict(result.sample.failures)
    return row | {
        "calls": len(times),
        "p50": median(times),
        "p95": percentile(times, 0.95),
        "p99": percentile(times, 0.99),
        "per_second": result.per_second,
        "cpu_ms": result.cpu_ms,
        "memory_mib": result.memory_bytes / MiB,
        "refused": failures.pop("429", 0),
        "failures": failures,
    }


def machine() -> dict[str, Any]:
    """Describe the machine, as far as it matters for the figures."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model.group(1) if model else platform.machine(),
        "memory_gib": round(memory / (1 << 30), 1),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
    }
