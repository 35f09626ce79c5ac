"""Metrics of ``/metrics``. ``docs/metrics.md`` explains each of them.

No label contains a session, a user, a tenant or a file: the number of series is bounded by the definitions here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from librechat_code_interpreter import __version__
from librechat_code_interpreter.core.admission import Admission
from librechat_code_interpreter.core.errors import LeasesUnavailable
from librechat_code_interpreter.core.events import (
    Answered,
    EngineCalled,
    Events,
    FinishedRun,
    PoolFilled,
    PoolTaken,
    PoolWhole,
    StoreCalled,
)
from librechat_code_interpreter.core.ids import is_paused_run
from librechat_code_interpreter.core.protocols import Leases
from librechat_code_interpreter.core.run_timeline import PAUSED

NAMESPACE = "code_interpreter"

RUN_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""From the time of a print in a warm interpreter to the longest run that a request may ask for by default."""

STEP_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""From half a millisecond, the time of one of our steps, to LibreChat's helper timeout of 15 s (K24)."""

AGE_BOUNDS = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0)
"""A low age means that the jail or sandbox was ready just in time; an age of hours means that it was not needed."""

M = TypeVar("M", Counter, Gauge, Histogram)

disable_created_metrics()  # type: ignore[no-untyped-call]  # no `_created` series: as many again, of little use


class Metrics(Collector):
    """Counts events and renders the page; each instance has a registry of its own."""

    def __init__(self, events: Events, admission: Admission, leases: Leases, engine: str) -> None:
        self._admission = admission
        self._leases = leases
        self._leased: tuple[int, int] | None = None
        self._registry = CollectorRegistry()
        self._define_runs()
        self._define_engine()
        self._define_store()
        self._define_service(engine)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        events.on(FinishedRun, self._run)
        events.on(Answered, self._answered)
        events.on(PoolTaken, self._taken)
        events.on(PoolFilled, self._filled)
        events.on(PoolWhole, self._whole)
        events.on(EngineCalled, self._called)
        events.on(StoreCalled, self._stored)

    def _counter(self, name: str, text: str, *labels: str) -> Callable[..., Counter]:
        return _series_of(Counter(name, text, labels, NAMESPACE, registry=self._registry), labels)

    def _gauge(self, name: str, text: str, *labels: str) -> Callable[..., Gauge]:
        return _series_of(Gauge(name, text, labels, NAMESPACE, registry=self._registry), labels)

    def _histogram(self, name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Callable[..., Histogram]:
        return _series_of(Histogram(name, text, labels, NAMESPACE, registry=self._registry, buckets=bounds), labels)

    def _define_runs(self) -> None:
        counter, histogram = self._counter, self._histogram
        self._runs = counter("runs", "Finished runs.", "language", "ending")
        self._request = histogram("run_request_seconds", "Time from a run's request to its response.", RUN_BOUNDS)
        self._program = histogram("run_seconds", "Duration of programs.", RUN_BOUNDS, "language")
        self._cpu = counter("run_cpu_seconds", "Processor time of programs.", "language")
        self._queue = histogram("queue_seconds", "Wait for the session and for a slot.", STEP_BOUNDS)
        self._sandbox = histogram("sandbox_seconds", "Time to acquire the sandbox.", STEP_BOUNDS, "sandbox")
        self._stage = histogram("stage_seconds", "Time to stage files, for runs that needed any.", STEP_BOUNDS)
        self._collect = histogram("collect_seconds", "Time to collect files, for runs that wrote any.", STEP_BOUNDS)
        self._files = counter("files", "Files staged, delivered, and not delivered.", "what")
        self._bytes = counter("file_bytes", "Bytes of files staged and delivered.", "what")
        self._follow_ups = counter("follow_up_runs", "Follow-up runs by what was staged for them.", "staged")
        self._rounds = counter("tool_rounds", "Pauses of programs for tool calls.", "language")
        self._in_flight = self._gauge("runs_in_flight", "Run requests in flight.", "state")

    def _define_engine(self) -> None:
        counter, histogram = self._counter, self._histogram
        self._takes = counter("pool_takes", "Takes from a warm pool.", "pool", "kind", "outcome")
        self._age = histogram("pool_age_seconds", "Age of the jail or sandbox taken.", AGE_BOUNDS, "pool", "kind")
        self._made = counter("pool_made", "Prepared jails and sandboxes created.", "pool", "kind")
        self._ready = self._gauge("pool_ready", "Prepared jails and sandboxes available.", "pool", "kind")
        self._short = histogram("pool_short_seconds", "Time until a warm pool is full again.", STEP_BOUNDS, "pool")
        self._calls = counter("engine_calls", "Calls to Daytona.", "operation", "outcome")
        self._call_time = histogram("engine_call_seconds", "Duration of calls to Daytona.", RUN_BOUNDS, "operation")

    def _define_store(self) -> None:
        counter, histogram = self._counter, self._histogram
        self._store_calls = counter("store_calls", "Calls to the file store.", "operation", "outcome")
        self._store_time = histogram("store_call_seconds", "Duration of store calls.", STEP_BOUNDS, "operation")
        self._store_bytes = counter("store_bytes", "Bytes of files written and read.", "operation")

    def _define_service(self, engine: str) -> None:
        self._requests = self._counter("http_requests", "HTTP requests.", "route", "status")
        self._response_time = self._histogram("http_request_seconds", "Duration of HTTP requests.", RUN_BOUNDS, "route")
        info = self._gauge("info", "Version and engine of the service; always 1.", "version", "engine")
        info(__version__, engine).set(1)

    def _run(self, run: FinishedRun) -> None:
        if run.ending == PAUSED:
            self._rounds(run.language).inc()
        else:
            self._runs(run.language, run.ending).inc()
        self._request().observe(run.total_seconds)
        seconds = run.seconds
        self._queue().observe(seconds.queue)
        if not run.sandbox:
            return
        self._sandbox(run.sandbox).observe(seconds.sandbox)
        self._program(run.language).observe(seconds.run)
        self._cpu(run.language).inc(max(0, run.cpu_seconds))  # a forged reply may contain a negative time
        if run.staged_files:
            self._stage().observe(seconds.stage)
            self._files("staged").inc(run.staged_files)
            self._bytes("staged").inc(run.staged_bytes)
        if run.delivered_files:
            self._collect().observe(seconds.collect)
            self._files("delivered").inc(run.delivered_files)
            self._bytes("delivered").inc(run.delivered_bytes)
        if run.failed_files:
            self._files("failed").inc(run.failed_files)
        if run.is_follow_up:
            self._follow_ups(_staged(run)).inc()

    def _answered(self, answered: Answered) -> None:
        self._requests(answered.route, answered.status).inc()
        self._response_time(answered.route).observe(answered.seconds)

    def _taken(self, taken: PoolTaken) -> None:
        self._takes(taken.pool, taken.kind, "hit" if taken.is_hit else "miss").inc()
        self._ready(taken.pool, taken.kind).set(taken.ready)
        if taken.age_seconds is not None:
            self._age(taken.pool, taken.kind).observe(taken.age_seconds)

    def _filled(self, filled: PoolFilled) -> None:
        self._made(filled.pool, filled.kind).inc()
        self._ready(filled.pool, filled.kind).set(filled.ready)

    def _whole(self, whole: PoolWhole) -> None:
        self._short(whole.pool).observe(whole.short_seconds)

    def _called(self, call: EngineCalled) -> None:
        self._calls(call.operation, call.outcome).inc()
        self._call_time(call.operation).observe(call.seconds)

    def _stored(self, call: StoreCalled) -> None:
        self._store_calls(call.operation, call.outcome).inc()
        self._store_time(call.operation).observe(call.seconds)
        if call.size:
            self._store_bytes(call.operation).inc(call.size)

    async def page(self, accepts: str) -> tuple[bytes, str]:
        """Return the page and its content type, in a form that the scraper accepts."""
        self._in_flight("running").set(self._admission.running)
        self._in_flight("waiting").set(self._admission.present - self._admission.running)
        self._leased = await self._count_leases()
        encode, content_type = choose_encoder(accepts)
        return encode(self._registry), content_type

    async def _count_leases(self) -> tuple[int, int] | None:
        """Return the numbers of sandboxes and of paused runs, or ``None`` if they are unknown now."""
        try:
            leases = await self._leases.all()
        except LeasesUnavailable:
            return None
        return len(leases), sum(is_paused_run(lease.session_id) for lease in leases)

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges of the leases, without a sample if unknown. A ``Gauge`` without labels always has one."""
        sandboxes, paused = self._leased or (None, None)
        yield GaugeMetricFamily(f"{NAMESPACE}_paused_runs", "Programs paused for tool calls.", paused)
        yield GaugeMetricFamily(f"{NAMESPACE}_sandboxes", "Sandboxes with a lease, of all replicas.", sandboxes)


def _series_of(metric: M, labels: tuple[str, ...]) -> Callable[..., M]:
    """Return a function from values of the labels to their series; it is cached, because ``labels`` takes 3 µs."""
    return cache(metric.labels if labels else lambda: metric)


def _staged(run: FinishedRun) -> str:
    """Return what a follow-up run had to stage; ``nothing`` is the best case of affinity."""
    if run.sandbox == "new":
        return "all"
    return "files" if run.staged_files else "nothing"
