"""Counters, gauges and histograms for the event loop's thread, exported through ``prometheus_client``.

The library's own counters take a lock, one to four microseconds each time, and a request updates a dozen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

PREFIX = "code_interpreter_"

Labels = tuple[str, ...]


class Counter:
    """A counter, optionally with labels."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name, self._meaning, self.labels = name, meaning, labels
        self._values: defaultdict[Labels, float] = defaultdict(float)

    def add(self, amount: float, *labels: str) -> None:
        """Increase the counter by ``amount``."""
        self._values[labels] += amount

    def family(self) -> Metric:
        """Return the current values; a counter without labels exists from the start."""
        family = CounterMetricFamily(PREFIX + self.name, self._meaning, labels=self.labels)
        for labels, value in (self._values or ({} if self.labels else {(): 0.0})).items():
            family.add_metric(labels, value)
        return family


class Gauge:
    """Current values, which can go up and down."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name, self._meaning, self.labels = name, meaning, labels
        self._values: dict[Labels, float] = {}

    def set(self, value: float, *labels: str) -> None:
        self._values[labels] = value

    def unset(self) -> None:
        """Clear the values, because they are unknown now."""
        self._values.clear()

    def family(self) -> Metric:
        """Return the current values."""
        family = GaugeMetricFamily(PREFIX + self.name, self._meaning, labels=self.labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        return family


class Histogram:
    """Counts values by size: each in the first bucket whose bound it does not exceed."""

    def __init__(self, name: str, meaning: str, bounds: tuple[float, ...], *labels: str) -> None:
        self.name, self._meaning, self.labels = name, meaning, labels
        self.bounds = bounds
        self._series: defaultdict[Labels, list[float]] = defaultdict(self._empty)

    def _empty(self) -> list[float]:
        """Return one zero for each bucket and, last, one for the sum."""
        return [0] * (len(self.bounds) + 2)

    def note(self, value: float, *labels: str) -> None:
        """Count one value."""
        series = self._series[labels]
        series[bisect_left(self.bounds, value)] += 1
        series[-1] += value

    def family(self) -> Metric:
        """Return the current counts; a histogram without labels exists from the start."""
        family = HistogramMetricFamily(PREFIX + self.name, self._meaning, labels=self.labels)
        for labels, (*counts, total) in (self._series or ({} if self.labels else {(): self._empty()})).items():
            family.add_metric(labels, list(self._cumulative(counts)), total)
        return family

    def _cumulative(self, counts: list[float]) -> Iterator[tuple[str, float]]:
        total = 0.0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), counts, strict=True):
            total += count
            yield bound, total


Figure = Counter | Gauge | Histogram
