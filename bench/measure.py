"""Call something many times, some of it at once, and take the times. Standard library only."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """The other side has no capacity (HTTP 429)."""


class Failed(Exception):
    """An answer is missing or wrong."""


@dataclass(slots=True)
class Sample:
    """The times of good calls (milliseconds), the failures by kind, and how long it all took (seconds)."""

    times: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    elapsed: float = 0.0

    def add(self, other: Sample) -> None:
        """Join another sample of the same thing."""
        self.times += other.times
        self.failures += other.failures
        self.elapsed += other.elapsed

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {"times": self.times, "failures": dict(self.failures), "elapsed": self.elapsed}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Sample:
        """Read plain data."""
        return cls(data["times"], Counter(data["failures"]), data["elapsed"])


def sample(call: Callable[[int], None], count: int, at_once: int, cap_seconds: float) -> Sample:
    """Make up to ``count`` calls from ``at_once`` threads; none begins after the cap.

    ``call`` gets the number of its thread. An exception of its own is a failure, counted by its kind.
    """
    taken, gathered, lock = itertools.count(), Sample(), threading.Lock()
    begin = time.perf_counter()

    def thread(number: int) -> None:
        while next(taken) < count and time.perf_counter() - begin < cap_seconds:
            start = time.perf_counter()
            try:
                call(number)
            except Exception as error:  # noqa: BLE001  a rival may raise anything; whatever it is, the call failed
                kind = "429" if isinstance(error, Refused) else f"{type(error).__name__}: {error}"[:200]
                with lock:
                    gathered.failures[kind] += 1
            else:
                took = (time.perf_counter() - start) * 1000
                with lock:
                    gathered.times.append(took)

    threads = [threading.Thread(target=thread, args=(number,)) for number in range(at_once)]
    for item in threads:
        item.start()
    for item in threads:
        item.join()
    gathered.elapsed = time.perf_counter() - begin
    return gathered


def percentile(times: list[float], share: float) -> float:
    """Return the percentile ``share`` of the calls by nearest rank, without interpolation."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def median(times: list[float]) -> float:
    """Return the median, NaN of nothing."""
    return statistics.median(times) if times else float("nan")
