"""Metrics of ``/metrics``. ``docs/metrics.md`` explains each of them.

No label contains a session, a user, a tenant or a file: the number of series is bounded by the definitions here.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

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
from librechat_code_interpreter.telemetry.figures import Counter, Figure, Gauge, Histogram

RUN_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""From the time of a print in a warm interpreter to the longest run that a request may ask for by default."""

STEP_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""From half a millisecond, the time of one of our steps, to LibreChat's helper timeout of 15 s (K24)."""

AGE_BOUNDS = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0)
"""A low age means that the jail or sandbox was ready just in time; an age of hours means that it was not needed."""


class Metrics:
    """Counts events and renders the page."""

    def __init__(self, events: Events, admission: Admission, leases: Leases, engine: str) -> None:
        self._admission = admission
        self._leases = leases
        self._define_runs()
        self._define_engine()
        self._define_store()
        self._requests = Counter("http_requests", "Requests of any kind.", "route", "status")
        self._answer_time = Histogram("http_request_seconds", "Requests of any kind.", RUN_BOUNDS, "route")
        self._info = Gauge("info", "Version and engine of the service; always 1.", "version", "engine")
        self._info.set(1, __version__, engine)
        events.on(FinishedRun, self._run)
        events.on(Answered, self._answered)
        events.on(PoolTaken, self._taken)
        events.on(PoolFilled, self._filled)
        events.on(PoolWhole, self._whole)
        events.on(EngineCalled, self._called)
        events.on(StoreCalled, self._stored)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def _define_runs(self) -> None:
        self._runs = Counter("runs", "Runs that ended, by language and ending.", "language", "ending")
        self._request = Histogram("run_request_seconds", "A run's request, from its arrival to its answer.", RUN_BOUNDS)
        self._program = Histogram("run_seconds", "The program itself, as the service sees it.", RUN_BOUNDS, "language")
        self._cpu = Counter("run_cpu_seconds", "Processor time of programs.", "language")
        self._queue = Histogram("queue_seconds", "Wait for the session and a place to run.", STEP_BOUNDS)
        self._sandbox = Histogram("sandbox_seconds", "Getting the sandbox.", STEP_BOUNDS, "sandbox")
        self._stage = Histogram("stage_seconds", "Bringing files into it, where any were missing.", STEP_BOUNDS)
        self._collect = Histogram("collect_seconds", "Storing what the program wrote, where it did.", STEP_BOUNDS)
        self._files = Counter("files", "Files staged, delivered, and not delivered for a limit.", "what")
        self._bytes = Counter("file_bytes", "Their sizes.", "what")
        self._follow_ups = Counter("follow_up_runs", "Runs that follow another, by what had to be staged.", "staged")
        self._rounds = Counter("tool_rounds", "Pauses of programs that wait for tools.", "language")
        self._in_flight = Gauge("runs_in_flight", "Requests to run: running, or waiting.", "state")
        self._paused = Gauge("paused_runs", "Programs that wait for tools.")
        self._sandboxes = Gauge("sandboxes", "Sandboxes of sessions, of all replicas that share leases.")

    def _define_engine(self) -> None:
        self._takes = Counter("pool_takes", "Takes from a pool of spares.", "pool", "kind", "outcome")
        self._age = Histogram("pool_age_seconds", "Age of a spare when it is taken.", AGE_BOUNDS, "pool", "kind")
        self._made = Counter("pool_made", "Spares made.", "pool", "kind")
        self._ready = Gauge("pool_ready", "Spares that wait.", "pool", "kind")
        self._short = Histogram("pool_short_seconds", "Time until a pool is whole again.", STEP_BOUNDS, "pool")
        self._calls = Counter("engine_calls", "Calls to Daytona.", "operation", "outcome")
        self._call_time = Histogram("engine_call_seconds", "Calls to Daytona.", RUN_BOUNDS, "operation")

    def _define_store(self) -> None:
        self._store_calls = Counter("store_calls", "Calls to the file store.", "operation", "outcome")
        self._store_time = Histogram("store_call_seconds", "Calls to the file store.", STEP_BOUNDS, "operation")
        self._store_bytes = Counter("store_bytes", "Bytes of files written to the store and read from it.", "operation")

    def _run(self, run: FinishedRun) -> None:
        if run.ending == PAUSED:
            self._rounds.add(1, run.language)
        else:
            self._runs.add(1, run.language, run.ending)
        self._request.note(run.total_seconds)
        seconds = run.seconds
        self._queue.note(seconds.queue)
        if not run.sandbox:
            return
        self._sandbox.note(seconds.sandbox, run.sandbox)
        self._program.note(seconds.run, run.language)
        self._cpu.add(run.cpu_seconds, run.language)
        if run.staged_files:
            self._stage.note(seconds.stage)
            self._files.add(run.staged_files, "staged")
            self._bytes.add(run.staged_bytes, "staged")
        if run.delivered_files:
            self._collect.note(seconds.collect)
            self._files.add(run.delivered_files, "delivered")
            self._bytes.add(run.delivered_bytes, "delivered")
        if run.failed_files:
            self._files.add(run.failed_files, "failed")
        if run.is_follow_up:
            self._follow_ups.add(1, _staged(run))

    def _answered(self, answered: Answered) -> None:
        self._requests.add(1, answered.route, str(answered.status))
        self._answer_time.note(answered.seconds, answered.route)

    def _taken(self, taken: PoolTaken) -> None:
        self._takes.add(1, taken.pool, taken.kind, "hit" if taken.is_hit else "miss")
        self._ready.set(taken.ready, taken.pool, taken.kind)
        if taken.age_seconds is not None:
            self._age.note(taken.age_seconds, taken.pool, taken.kind)

    def _filled(self, filled: PoolFilled) -> None:
        self._made.add(1, filled.pool, filled.kind)
        self._ready.set(filled.ready, filled.pool, filled.kind)

    def _whole(self, whole: PoolWhole) -> None:
        self._short.note(whole.short_seconds, whole.pool)

    def _called(self, call: EngineCalled) -> None:
        self._calls.add(1, call.operation, call.outcome)
        self._call_time.note(call.seconds, call.operation)

    def _stored(self, call: StoreCalled) -> None:
        self._store_calls.add(1, call.operation, call.outcome)
        self._store_time.note(call.seconds, call.operation)
        if call.size:
            self._store_bytes.add(call.size, call.operation)

    async def page(self, accepts: str) -> tuple[bytes, str]:
        """Return the page and its content type, in a form that the scraper accepts."""
        await self._look()
        encode, content_type = choose_encoder(accepts)
        return encode(self._registry), content_type

    async def _look(self) -> None:
        self._in_flight.set(self._admission.running, "running")
        self._in_flight.set(self._admission.present - self._admission.running, "waiting")
        try:
            leases = await self._leases.all()
        except LeasesUnavailable:
            self._sandboxes.unset()
            self._paused.unset()
            return
        paused = sum(is_paused_run(lease.session_id) for lease in leases)
        self._sandboxes.set(len(leases))
        self._paused.set(paused)

    def figures(self) -> Iterator[Figure]:
        """Iterate over all metrics of this class."""
        return (figure for figure in vars(self).values() if isinstance(figure, Figure))

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as families of ``prometheus_client``, whose registry calls this."""
        return (figure.family() for figure in self.figures())


def _staged(run: FinishedRun) -> str:
    """Return what a follow-up run had to stage; ``nothing`` is the best case of affinity."""
    if run.sandbox == "new":
        return "all"
    return "files" if run.staged_files else "nothing"
