"""Measure throughput beside the engine alone, many callers at once, and how fast the warm pool refills."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

from bench import service, wire
from bench.measure import Sample, median, percentile, sample
from bench.programs import BY_NAME, IMPORTS
from librechat_code_interpreter.core.languages import find_language
from librechat_code_interpreter.core.protocols import Engine
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Limits, Request
from librechat_code_interpreter.settings import Settings
from librechat_code_interpreter.wiring import make_engine

_MOST_TURNS = 3
_PATIENCE_SECONDS = 30.0
_STILL_SECONDS = 0.5
_LEVELS = (8, 32, 128)
_RATES = ("single", "eight", "single_bare", "eight_bare", "engine_alone")


def measure(burst: int, seconds: float, waves: int) -> dict[str, Any]:
    """Return throughput one at a time, at eight and of the engine alone; the larger crowds; the burst.

    Spares are made while one caller waits for its answers, so one at a time is measured without them, too: then a
    second processor has nothing to do for a caller who is alone.
    """
    rates: dict[str, list[float]] = {name: [] for name in _RATES}
    turns = min(_MOST_TURNS, 1 + waves)
    with service.running("load") as running:
        spares = _spares_after(running, burst)
        for _ in range(turns):
            rates["single"].append(_rate(running, 1, seconds))
            rates["eight"].append(_rate(running, 8, seconds))
        crowds = _crowds(running, min(_MOST_TURNS, waves), waves)
    with service.running("load", SANDBOX_STANDBY="0") as running:
        _settle(running)
        for _ in range(turns):
            rates["single_bare"].append(_rate(running, 1, seconds))
            rates["eight_bare"].append(_rate(running, 8, seconds))
    for _ in range(min(_MOST_TURNS, waves)):
        rates["engine_alone"].append(asyncio.run(_engine_alone(8, seconds)))
    typical = {name: median(values) for name, values in rates.items()}
    return {
        **{f"{name}_per_second": value for name, value in typical.items()},
        "eight_over_single": typical["eight"] / typical["single"],
        "eight_over_single_without_spares": typical["eight_bare"] / typical["single_bare"],
        "eight_over_engine_alone": typical["eight"] / typical["engine_alone"],
        "crowds": crowds,
        "latency_growth_8_to_128": crowds["128"]["p50_ms"] / crowds["8"]["p50_ms"] / (128 / 8),
        **spares,
    }


class _Callers:
    """Ask for the same run again and again, each caller on a fresh connection, as LibreChat's clients do."""

    def __init__(self, running: service.Service, at_once: int) -> None:
        case = BY_NAME["print"]
        self._request = wire.request(running.key, "POST", "/exec", {"lang": case.lang, "code": case.code})
        self._expects = json.dumps(f"{case.prints}\n").encode()
        self._wires = [wire.Wire(running.port, fresh=True) for _ in range(at_once)]

    def call(self, number: int) -> None:
        """Run one caller. Raises ``Failed`` and ``Refused``."""
        self._wires[number].ask(self._request, self._expects)

    def sample(self, count: int, cap_seconds: float = _PATIENCE_SECONDS) -> Sample:
        """Let all of them call."""
        return sample(self.call, count, len(self._wires), cap_seconds)


def _rate(running: service.Service, at_once: int, seconds: float) -> float:
    taken = _Callers(running, at_once).sample(1 << 30, seconds)
    return len(taken.times) / taken.elapsed


def _crowds(running: service.Service, turns: int, waves: int) -> dict[str, Any]:
    """Ask with each number of callers, in turn, so that the machine's moods hit all alike.

    The first answers do not count: until as many came as there are callers, not all of them wait.
    """
    taken: dict[int, list[Sample]] = {at_once: [] for at_once in _LEVELS}
    for _ in range(turns):
        for at_once in _LEVELS:
            asked = _Callers(running, at_once).sample(at_once + waves * max(at_once, 32))
            asked.times = asked.times[at_once:]
            taken[at_once].append(asked)
    return {str(at_once): _crowd(samples) for at_once, samples in taken.items()}


def _crowd(samples: list[Sample]) -> dict[str, Any]:
    times = [took for taken in samples for took in taken.times]
    return {
        "p50_ms": median(times), "p99_ms": percentile(times, 0.99),
        "refused": sum(taken.failures.get("429", 0) for taken in samples),
        "failures": sum(count for taken in samples for reason, count in taken.failures.items() if reason != "429"),
    }  # fmt: skip


def _spares_after(running: service.Service, burst: int) -> dict[str, Any]:
    """Send a burst, and take the time of the last change in the number of the service's processes after it.

    Spares are processes: when the jails of the burst are gone and the spares are back, the number stands still.
    """
    _settle(running)
    before = len(running.account.processes())
    _Callers(running, burst).sample(burst)
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
    running.execute("py", IMPORTS)
    _Callers(running, 1).sample(4)
    time.sleep(1.0)


async def _engine_alone(at_once: int, seconds: float) -> float:
    """Fork the same program in fresh jails from this process, without HTTP, sessions or store; give runs a second."""
    logging.getLogger("librechat_code_interpreter").setLevel(logging.ERROR)
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
