"""Runs a program: inputs, session, slot, sandbox, staging, run, outputs, record. Read ``RunService.run`` first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from librechat_code_interpreter.core import outputs
from librechat_code_interpreter.core.admission import Admission
from librechat_code_interpreter.core.errors import (
    EngineLimited,
    EngineUnavailable,
    LeasesUnavailable,
    NotFound,
    StoreUnavailable,
)
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.file_reads import reads_one_file
from librechat_code_interpreter.core.inputs import (
    Inputs,
    Ref,
    forget_replaced,
    missing_from,
    note_placed,
    resolve,
    select_inputs,
    stale_in,
)
from librechat_code_interpreter.core.languages import Language
from librechat_code_interpreter.core.outputs import Delivery
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import FileStore, Lease, Sandbox, Staged
from librechat_code_interpreter.core.rate_limits import Rates
from librechat_code_interpreter.core.results import RunResult, result_of
from librechat_code_interpreter.core.run_timeline import RunTimeline
from librechat_code_interpreter.core.sandbox_leases import SandboxLeases
from librechat_code_interpreter.core.session import Record, now
from librechat_code_interpreter.core.session_selection import LockedSession, SessionRequest, SessionSelector
from librechat_code_interpreter.core.tool_pauses import PausedRun, ToolPauses
from librechat_code_interpreter.runner.endings import UNCOLLECTED
from librechat_code_interpreter.runner.messages import Limits, Pause, Reply, Request, Tool

log = logging.getLogger(__name__)

_SHORTEST_SECONDS = 1.0
"""Shortest time limit. A model that writes ``timeout: 30`` means seconds, but the wire format has milliseconds."""

_MOST_PAUSES = 20
"""A client gives up after this many rounds (LibreChat's ``DEFAULT_MAX_ROUND_TRIPS``)."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A request to run a program."""

    principal: Principal
    language: Language
    source: str
    args: list[str] = field(default_factory=list)
    refs: Sequence[Ref] = ()
    session_id: str | None = None
    hint: str | None = None
    timeout_seconds: float | None = None
    may_be_refused: bool = True
    tools: list[Tool] | None = None
    """Set for a program that may call tools, even if the list is empty."""


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """Limits of runs: the default and the longest allowed time (seconds), and the limits of the runner."""

    timeout_seconds: float
    timeout_max_seconds: float
    limits: Limits

    def limits_for(self, timeout_seconds: float | None) -> Limits:
        """Return the limits of one run; a requested time is clamped to the allowed range."""
        asked = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        wall = max(_SHORTEST_SECONDS, min(asked, self.timeout_max_seconds))
        return replace(self.limits, wall_seconds=wall, cpu_seconds=int(wall) * 2 + 1)

    def limits_between_pauses(self, timeout_seconds: float | None) -> Limits:
        """Return the limits of a run that may pause: wall time restarts after each pause, CPU time does not (K32)."""
        limits = self.limits_for(timeout_seconds)
        return replace(limits, cpu_seconds=limits.cpu_seconds * _MOST_PAUSES)


class RunService:
    """Runs programs, one at a time per session."""

    def __init__(
        self, store: FileStore, sandboxes: SandboxLeases, chooser: SessionSelector, admission: Admission,
        policy: RunPolicy, paused_runs: ToolPauses, events: Events, rates: Rates | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._sandboxes = sandboxes
        self._chooser = chooser
        self._policy = policy
        self._paused_runs = paused_runs
        self._events = events
        self._rates = rates
        self.admission = admission

    async def run(self, order: RunRequest) -> RunResult:
        """Run one program to its end. Raises a ``ServiceError``, but never for how the program ends."""
        result = await self.begin(replace(order, tools=None))
        assert isinstance(result, RunResult)  # noqa: S101  without tools nothing pauses
        return result

    async def begin(self, order: RunRequest) -> RunResult | PausedRun:
        """Run one program to its end or its first pause for tools. Raises a ``ServiceError``."""
        with RunTimeline(self._events, order.principal, order.language.name, len(order.source)) as timeline:
            return await self._begin(order, timeline)

    async def _begin(self, order: RunRequest, timeline: RunTimeline) -> RunResult | PausedRun:
        if self._rates is not None:
            await self._rates.admit(order.principal)
        session_request = SessionRequest(
            order.principal, order.language, order.session_id, order.hint, order.may_be_refused
        )
        async with self.admission.enter():
            if order.tools is not None:
                await self._paused_runs.check_room()
            references = await resolve(self._store, order.principal, order.refs)
            timeline.lap("lookup")
            deadline = self.admission.time_to_wait()
            async with (
                self._chooser.choose(session_request, references, deadline.seconds_left) as chosen,
                self.admission.slot(order.principal.user, deadline),
            ):
                timeline.lap("queue")
                timeline.chose(chosen, references)
                inputs = select_inputs(references, chosen.record)
                result = await self._run_held(order, chosen, inputs, timeline)
                await self._chooser.remember(session_request, chosen.record.id)
                timeline.lap("record")
                return result

    async def _run_held(
        self, order: RunRequest, chosen: LockedSession, inputs: Inputs, timeline: RunTimeline
    ) -> RunResult | PausedRun:
        session_id, hold = chosen.record.id, chosen.hold
        is_true_copy = False
        try:
            sandbox, lease, reply = await self._exchange(order, chosen, inputs, timeline)
            if isinstance(reply, Pause):
                await self._record_if_possible(order, chosen, Delivery())  # if it fails, resume records it at the end
                language = order.language.name
                paused = await self._paused_runs.pause(order.principal, language, chosen, inputs, lease, reply)
                is_true_copy = True  # the sandbox no longer belongs to the session
                timeline.paused(paused.run_id, reply.number)
                return paused
            delivery = await outputs.collect(self._store, sandbox, session_id, inputs, reply)
            timeline.lap("collect")
            delivery, is_recorded = await self._record_if_possible(order, chosen, delivery)
            if is_recorded and reply.ending not in UNCOLLECTED:
                outputs.note_in_lease(lease, session_id, inputs, delivery, reply)
                is_true_copy = await self._sandboxes.keep(hold, lease)
            timeline.ended(reply, delivery)
        except EngineLimited:  # nothing was started, so a later run can use the sandbox; a new session has no later run
            if not chosen.is_new and hold.lease is not None:
                is_true_copy = await self._sandboxes.keep(hold, hold.lease)
            raise
        finally:
            if not is_true_copy:  # cancelled, lost or failed: the sandbox may contain files that were not collected
                await self._sandboxes.discard(hold)
        is_read = reads_one_file(order.language, order.source, order.args)
        return result_of(session_id, order.language.name, reply, inputs, delivery, reads_one_file=is_read)

    async def _exchange(
        self, order: RunRequest, chosen: LockedSession, inputs: Inputs, timeline: RunTimeline
    ) -> tuple[Sandbox, Lease, Reply | Pause]:
        """Stage and run; if the sandbox was dead before the program started, retry once in a new one."""
        try:
            return await self._attempt(order, chosen, inputs, timeline)
        except EngineUnavailable as error:
            log.info("session %s: sandbox was gone before the run, taking a fresh one: %s", chosen.record.id, error)
            await self._sandboxes.discard(chosen.hold)
            return await self._attempt(order, chosen, inputs, timeline)

    async def _attempt(
        self, order: RunRequest, chosen: LockedSession, inputs: Inputs, timeline: RunTimeline
    ) -> tuple[Sandbox, Lease, Reply | Pause]:
        before = chosen.hold.lease
        sandbox, lease = await self._sandboxes.acquire(chosen.hold)
        timeline.lap("sandbox")
        timeline.got_sandbox(is_new=before is None or before.sandbox_id != sandbox.id)
        missing = missing_from(lease, inputs, self._store)
        if missing:
            forget_replaced(lease, (item.path for item in missing))
            refused = await self._put(sandbox, missing, inputs)
            for path, reason in refused.items():
                inputs.by_path.pop(path, None)
                inputs.notes.append(f"The file {path!r} could not be placed in the workspace: {reason}.")
            note_placed(lease, inputs)
            timeline.staged(missing)
        timeline.lap("stage")
        limits_of = self._policy.limits_for if order.tools is None else self._policy.limits_between_pauses
        request = Request(
            order.language.program(order.source, order.args),
            limits_of(order.timeout_seconds),
            remove=stale_in(lease, chosen.record, inputs),
            tools=order.tools,
        )
        if chosen.hold.is_lost():
            raise LeasesUnavailable("The session was lost to another replica before the program started.")
        begin = sandbox.exchange if order.tools is None else sandbox.begin
        reply = await self.admission.program(partial(begin, request), sandbox.id)
        timeline.lap("run")
        return sandbox, lease, reply

    async def _put(self, sandbox: Sandbox, missing: list[Staged], inputs: Inputs) -> dict[str, str]:
        """Stage files; a file whose bytes were deleted meanwhile is reported like any other missing file."""
        try:
            return await sandbox.put(missing)
        except NotFound:
            refused: dict[str, str] = {}
            for item in missing:
                try:
                    refused |= await sandbox.put([item])
                except NotFound:
                    refused[item.path] = "it has expired"
            return refused

    async def _record_if_possible(
        self, order: RunRequest, chosen: LockedSession, delivery: Delivery
    ) -> tuple[Delivery, bool]:
        """Record a finished run; if its record cannot be written, return it without its files."""
        try:
            await self._record(order, chosen, delivery)
        except StoreUnavailable as error:
            log.warning("session %s: a run could not be recorded: %s", chosen.record.id, error)
            return outputs.nothing_of(delivery), False
        return delivery, True

    async def _record(self, order: RunRequest, chosen: LockedSession, delivery: Delivery) -> None:
        """Update the session's record, before the client gets its answer."""

        def apply(record: Record) -> None:
            record.used = now()
            if record.language is None and not order.language.neutral:
                record.language = order.language.bound_as
            outputs.note_in_record(record, delivery, is_overtaken=chosen.hold.is_lost())

        if chosen.is_new:
            apply(chosen.record)
            await self._store.create(chosen.record)
        else:
            await self._store.change(chosen.record.id, apply)
