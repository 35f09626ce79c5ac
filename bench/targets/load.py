"""Measure throughput beside the engine alone, many callers at once, and how fast spares are back after a burst."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from app.core.languages import find_language
from app.core.ports import Engine
from app.runner.endings import Ending
from app.runner.messages import Limits, Request
from app.settings import Settings
from app.wiring import make_engine
from bench import http, service
from bench.measure import median, percentile, sample
from bench.programs import BY_NAME

_MOST_TURNS = 3
_PATIENCE_SECONDS = 30.0
_STILL_SECONDS = 0.5
_LEVELS = (8, 32, 128)


def measure(burst: int, seconds: float, waves: int) -> dict[str, Any]:
    """Give throughput one at a time, at eight and of the engine alone; the larger crowds; the burst."""
    rates: dict[str, list[float]] = {"single": [], "eight": [], "engine_alone": []}
    turns = min(_MOST_TURNS, 1 + waves)
    with service.running("load") as running:
        spares = _spares_after(running, burst)
        for _ in range(turns):
            rates["single"].append(_rate(running, 1, seconds))
            rates["eight"].append(_rate(running, 8, seconds))
        crowds = {str(at_once): _crowd(running, at_once, waves) for at_once in _LEVELS}
    for _ in range(turns):
        rates["engine_alone"].append(asyncio.run(_engine_alone(8, seconds)))
    typical = {name: median(values) for name, values in rates.items()}
    return {
        **{f"{name}_per_second": value for name, value in typical.items()},
        "eight_over_single": typical["eight"] / typical["single"],
        "eight_over_engine_alone": typical["eight"] / typical["engine_alone"],
        "crowds": crowds,
        "latency_growth_8_to_128": crowds["128"]["p50_ms"] / crowds["8"]["p50_ms"] / (128 / 8),
        **spares,
    }


def _print(running: service.Service) -> None:
    http.run_case(running.port, running.key, BY_NAME["print"])


def _rate(running: service.Service, at_once: int, seconds: float) -> float:
    taken = sample(lambda _: _print(running), 1 << 30, at_once, seconds)
    return len(taken.times) / taken.elapsed


def _crowd(running: service.Service, at_once: int, waves: int) -> dict[str, Any]:
    count = waves * max(at_once, 32)
    taken = sample(
        lambda _: http.run_case(running.port, running.key, BY_NAME["print"]), count, at_once, _PATIENCE_SECONDS
    )
    refused = taken.failures.pop("429", 0)
    return {
        "p50_ms": median(taken.times), "p99_ms": percentile(taken.times, 0.99), "refused": refused,
        "failures": sum(taken.failures.values()), "per_second": len(taken.times) / taken.elapsed,
    }  # fmt: skip


def _spares_after(running: service.Service, burst: int) -> dict[str, Any]:
    """Send a burst, and take the time of the last change in the number of the service's processes after it.

    Spares are processes: when the jails of the burst are gone and the spares are back, the number stands still.
    """
    _settle(running)
    before = len(running.account.processes())
    sample(lambda _: _print(running), burst, burst, _PATIENCE_SECONDS)
    start = changed = time.monotonic()
    seen = len(running.account.processes())
    while (waited := time.monotonic()) - start < _PATIENCE_SECONDS:
        count = len(running.account.processes())
        if count != seen:
            seen, changed = count, waited
        elif count >= before and waited - changed > _STILL_SECONDS:
            break
        time.sleep(0.005)
    return {
        "burst": burst, "spares": 2 * Settings.model_fields["sandbox_standby"].default,
        "spares_back_seconds": changed - start, "processes_at_rest": before, "processes_after": seen,
    }  # fmt: skip


def _settle(running: service.Service) -> None:
    for _ in range(4):
        _print(running)
    time.sleep(1.0)


async def _engine_alone(at_once: int, seconds: float) -> float:
    """Fork the same program in fresh jails from this process, without HTTP, sessions or store; give runs a second."""
    logging.getLogger("app").setLevel(logging.ERROR)
    engine = make_engine(Settings(adapter_engine="local", sandbox_runtime=service.RUNTIME, adapter_api_key="x"))
    await engine.open()
    try:
        await asyncio.gather(*(_once(engine) for _ in range(at_once)))
        end, done, start = time.monotonic() + seconds, 0, time.monotonic()

        async def caller() -> None:
            nonlocal done
            while time.monotonic() < end:
                await _once(engine)
                done += 1

        await asyncio.gather(*(caller() for _ in range(at_once)))
        return done / (time.monotonic() - start)
    finally:
        await engine.close()


async def _once(engine: Engine) -> None:
    language = find_language("py")
    if language is None:
        raise RuntimeError("no Python")
    sandbox = await engine.create()
    try:
        reply = await sandbox.exchange(Request(language.program("print(2+2)", []), Limits(wall_seconds=30)))
        if reply.ending is not Ending.OK:
            raise RuntimeError(reply.stderr)
    finally:
        await engine.destroy(sandbox.id)
