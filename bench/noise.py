"""Measure how steady the machine is: a fixed piece of work, timed again and again during the run."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from bench.measure import median, percentile
from bench.usage import busy_seconds, steal_seconds

_STEPS = 60_000
"""About 2 ms of pure interpreter work."""


@dataclass(slots=True)
class Noise:
    """Collect the spin loop's times (milliseconds) and what else the machine did."""

    times: list[float] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    steal: float = field(default_factory=steal_seconds)
    busy: float = field(default_factory=busy_seconds)
    loads: list[float] = field(default_factory=list)

    def look(self) -> None:
        """Time the loop a few times; called between the chunks of a run, while nothing of ours is running."""
        self.loads.append(os.getloadavg()[0])
        for _ in range(5):
            start = time.perf_counter()
            total = 0
            for number in range(_STEPS):
                total += number
            self.times.append((time.perf_counter() - start) * 1000)

    def summary(self) -> dict[str, Any]:
        """Return the spread: 1.0 means that the same work always takes the same time."""
        typical = median(self.times)
        seconds = (time.monotonic() - self.began) * (os.cpu_count() or 1)
        return {
            "spin_p50_ms": typical,
            "spin_p95_over_p50": percentile(self.times, 0.95) / typical,
            "spin_max_over_p50": max(self.times) / typical,
            "steal_percent": 100 * (steal_seconds() - self.steal) / seconds,
            "load_at_start": self.loads[0],
            "samples": len(self.times),
        }
