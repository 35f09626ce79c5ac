"""Measure the service's own share of a request: everything but the run, by an engine that answers at once."""

from __future__ import annotations

from typing import Any

from bench import service
from bench.measure import Sample, median, percentile, sample
from bench.wire import Wire, request

_AT_ONCE = 8


def measure(requests: int) -> dict[str, Any]:
    """Return times one at a time, and requests a second of one processor at eight at once."""
    with service.running("scripted", ("bench.scripted",)) as running:
        exec_ = request(running.key, "POST", "/exec", {"lang": "py", "code": "print(2+2)"})
        probe = request(running.key, "GET", "/healthz")
        _ask(running, exec_, requests // 4, 1, fresh=True)
        single = _ask(running, exec_, requests, 1, fresh=True)
        kept = _ask(running, exec_, requests, 1, fresh=False)
        nothing = _ask(running, probe, requests, 1, fresh=True)
        before = running.account.cpu_seconds()
        many = _ask(running, exec_, 2 * requests, _AT_ONCE, fresh=False)
        used = running.account.cpu_seconds() - before
        fresh = _ask(running, exec_, requests, _AT_ONCE, fresh=True)
    return {
        "p50_ms": median(single.times),
        "p99_ms": percentile(single.times, 0.99),
        "kept_alive_p50_ms": median(kept.times),
        "healthz_p50_ms": median(nothing.times),
        "per_second": len(many.times) / many.elapsed,
        "per_second_new_connections": len(fresh.times) / fresh.elapsed,
        "cpu_ms": 1000 * used / len(many.times),
        "failures": sum((single.failures + kept.failures + many.failures + fresh.failures).values()),
    }


def _ask(running: service.Service, text: bytes, count: int, at_once: int, *, fresh: bool) -> Sample:
    wires = [Wire(running.port, fresh=fresh) for _ in range(at_once)]
    expects = b"4" if text.startswith(b"POST") else b"healthy"
    try:
        return sample(lambda number: _one(wires[number], text, expects), count, at_once, 30.0)
    finally:
        for wire in wires:
            wire.close()


def _one(wire: Wire, text: bytes, expects: bytes) -> None:
    wire.ask(text, expects)
