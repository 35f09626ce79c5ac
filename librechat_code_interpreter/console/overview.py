"""Content of the operator's page: current state, the last hour, the last runs and the clients."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from librechat_code_interpreter import __version__
from librechat_code_interpreter.console.clients import Clients
from librechat_code_interpreter.console.history import Hour, Minute, quantile
from librechat_code_interpreter.console.pools import Pools
from librechat_code_interpreter.console.schemas import (
    ConsoleData,
    HourFigures,
    LastRun,
    LibreChatSeen,
    MinuteFigures,
    Now,
    PoolFigures,
    Refusal,
)
from librechat_code_interpreter.core.admission import Admission
from librechat_code_interpreter.core.errors import LeasesUnavailable
from librechat_code_interpreter.core.events import Events, FinishedRun
from librechat_code_interpreter.core.ids import is_paused_run
from librechat_code_interpreter.core.protocols import Engine, Leases

SHOWN_RUNS = 50


@dataclass(frozen=True, slots=True)
class Bounds:
    """Maximum numbers allowed by the settings at one time."""

    running: int
    waiting: int
    sandboxes: int
    paused: int


class Overview:
    """Collects events from the start, and builds the page's data on request."""

    def __init__(
        self, events: Events, admission: Admission, leases: Leases, engine: Engine, bounds: Bounds, warnings: list[str]
    ) -> None:
        self._admission = admission
        self._leases = leases
        self._engine = engine
        self._bounds = bounds
        self._warnings = warnings
        self._hour = Hour(events)
        self._clients = Clients(events)
        self._pools = Pools(events)
        self._started_at = time.time()

    async def snapshot(self, *, with_session_ids: bool) -> ConsoleData:
        """Return all data as of now. Ids of sessions open their files, so only some clients may see them."""
        now = time.time()
        minutes = self._hour.minutes(now)
        return ConsoleData(
            now=await self._now(now),
            hour=_hour_of(minutes),
            runs=[
                _run_of(run, run.session_id if with_session_ids else "")
                for run in list(self._hour.last_runs)[: -SHOWN_RUNS - 1 : -1]
            ],
            librechat=self._librechat(minutes),
        )

    async def _now(self, now: float) -> Now:
        sandboxes, paused = await self._leased()
        return Now(
            at=now,
            started_at=self._started_at,
            version=__version__,
            engine=self._engine.name,
            is_draining=self._admission.is_draining,
            running=self._admission.running,
            most_running=self._bounds.running,
            waiting=self._admission.present - self._admission.running,
            most_waiting=self._bounds.waiting,
            sandboxes=sandboxes,
            most_sandboxes=self._bounds.sandboxes,
            paused=paused,
            most_paused=self._bounds.paused,
            pools=[
                PoolFigures(pool=pool.name, kind=pool.kind, ready=pool.ready, hits=pool.hits, misses=pool.misses)
                for pool in self._pools.all()
            ],
            warnings=[*self._warnings, *self._engine.warnings],
        )

    async def _leased(self) -> tuple[int | None, int | None]:
        try:
            leases = await self._leases.all()
        except LeasesUnavailable:
            return None, None
        paused = sum(is_paused_run(lease.session_id) for lease in leases)
        return len(leases), paused

    def _librechat(self, minutes: Sequence[Minute]) -> LibreChatSeen:
        clients = self._clients
        refused: Counter[str] = Counter()
        for minute in minutes:
            refused.update(minute.refusals)
        return LibreChatSeen(
            at=clients.spoke_at,
            user_agent=clients.user_agent,
            release=clients.release(),
            signs=dict(clients.signs),
            refused_last_hour=dict(refused.most_common()),
            refusals=[Refusal(**refusal._asdict()) for refusal in reversed(clients.refusals)],
        )


def _hour_of(minutes: Sequence[Minute]) -> HourFigures:
    busy = [minute for minute in minutes if minute.times]
    return HourFigures(
        runs=sum(minute.times.total() for minute in busy),
        p50_seconds=quantile(0.5, busy),
        p95_seconds=quantile(0.95, busy),
        minutes=[
            MinuteFigures(
                at=60.0 * minute.number,
                runs=minute.times.total(),
                p50_seconds=quantile(0.5, [minute]),
                p95_seconds=quantile(0.95, [minute]),
                endings=dict(minute.endings),
                languages=dict(minute.languages),
            )
            for minute in busy
        ],
    )


def _run_of(run: FinishedRun, session_id: str) -> LastRun:
    return LastRun(
        at=run.at,
        run_id=run.run_id,
        session_id=session_id,
        language=run.language,
        ending=run.ending,
        exit_code=run.exit_code,
        seconds=run.total_seconds,
        steps=run.seconds._asdict(),
        cpu_seconds=run.cpu_seconds,
        peak_memory_bytes=run.peak_memory_bytes,
        staged_files=run.staged_files,
        delivered_files=run.delivered_files,
        failed_files=run.failed_files,
        tool_rounds=run.tool_rounds,
        sandbox=run.sandbox,
    )
