"""Runs a program: inputs, session, slot, sandbox, staging, run, outputs, record. Read ``RunService.run`` first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from librechat_code_interpreter.core.admission import Admission
from librechat_code_interpreter.core.cat_output import reads_one_file
from librechat_code_interpreter.core.errors import EngineLimited, EngineUnavailable, LeasesUnavailable, NotFound
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.inputs import (
    Ref,
    References,
    forget_replaced,
    missing_from,
    note_placed,
    resolve,
    select_inputs,
    stale_in,
)
from librechat_code_interpreter.core.languages import Language
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import FileStore, Lease, Sandbox, Staged
from librechat_code_interpreter.core.rate_limits import Rates
from librechat_code_interpreter.core.run_completion import Run, RunCompletion
from librechat_code_interpreter.core.run_result import RunResult
from librechat_code_interpreter.core.run_timeline import RunTimeline
from librechat_code_interpreter.core.sandbox_leases import SandboxLeases
from librechat_code_interpreter.core.session import Record
from librechat_code_interpreter.core.session_selection import LockedSession, SessionRequest, SessionSelector
from librechat_code_interpreter.core.tool_pauses import PausedRun, ToolPauses
from librechat_code_interpreter.runner.messages import Limits, Pause, Reply, Request, Tool

log = logging.getLogger(__name__)

MIN_RUN_SECONDS = 1.0
"""Shortest time limit. A model that writes ``timeout: 30`` means seconds, but the wire format has milliseconds."""

_MAX_PAUSES = 20
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

    def session_request(self) -> SessionRequest:
        return SessionRequest(self.principal, self.language, self.session_id, self.hint, self.may_be_refused)


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """Limits of runs: the default and the longest allowed time (seconds), and the limits of the runner."""

    timeout_seconds: float
    timeout_max_seconds: float
    limits: Limits

    def limits_for(self, timeout_seconds: float | None) -> Limits:
        """Return the limits of one run; a requested time is clamped to the allowed range."""
        wanted = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        wall = max(MIN_RUN_SECONDS, min(wanted, self.timeout_max_seconds))
        return replace(self.limits, wall_seconds=wall, cpu_seconds=int(wall) * 2 + 1)

    def limits_between_pauses(self, timeout_seconds: float | None) -> Limits:
        """Return the limits of a run that may pause: wall time restarts after each pause, CPU time does not (K32)."""
        limits = self.limits_for(timeout_seconds)
        return replace(limits, cpu_seconds=limits.cpu_seconds * _MAX_PAUSES)


class RunService:
    """Runs programs, one at a time per session."""

    def __init__(
        self, store: FileStore, sandboxes: SandboxLeases, sessions: SessionSelector, admission: Admission,
        policy: RunPolicy, pauses: ToolPauses, completion: RunCompletion, events: Events, rates: Rates | None = None,
    ) -> None:  # fmt: skip
        self._store = store
        self._sandboxes = sandboxes
        self._sessions = sessions
        self._policy = policy
        self._pauses = pauses
        self._completion = completion
        self._events = events
        self._rates = rates
        self.admission = admission

    async def run_to_end(self, request: RunRequest) -> RunResult:
        """Run one program without tools, so that it cannot pause. Otherwise like ``run``."""
        result = await self.run(replace(request, tools=None))
        assert isinstance(result, RunResult)  # noqa: S101  without tools nothing pauses
        return result

    async def run(self, request: RunRequest) -> RunResult | PausedRun:
        """Run one program to its end, or to its first pause for tools.

        Raises a ``ServiceError``, but never for how the program ends.
        """
        principal, language, session_request = request.principal, request.language, request.session_request()
        with RunTimeline(self._events, principal, language.name, len(request.source)) as timeline:
            if self._rates is not None:
                await self._rates.admit(principal)
            async with self.admission.enter():
                if request.tools is not None:
                    await self._pauses.check_room()
                references = await resolve(self._store, principal, request.refs)
                timeline.lap("lookup")
                deadline = self.admission.time_to_wait()
                async with (
                    self._sessions.choose(session_request, references, deadline.seconds_left) as session,
                    self.admission.slot(principal.user, deadline),
                ):
                    timeline.lap("queue")
                    timeline.set_session(session, references)
                    run = _run_in(session, request, references, timeline)
                    async with self._completion.cleanup(run):
                        reply = await self._execute(run, session.record, request)
                        result: RunResult | PausedRun
                        if isinstance(reply, Pause):
                            result = await self._pauses.pause(run, reply)
                        else:
                            result = await self._completion.finish(run, reply)
                    await self._sessions.remember(session_request, run.session_id)
                    timeline.lap("record")
                    return result

    async def _execute(self, run: Run, record: Record, request: RunRequest) -> Reply | Pause:
        """Run the program; if the sandbox was dead before the program started, retry once in a new one."""
        try:
            return await self._attempt(run, record, request)
        except EngineUnavailable as error:
            log.info("session %s: sandbox was gone before the run, taking a fresh one: %s", run.session_id, error)
            await self._sandboxes.discard(run.lock)
            run.lease = Lease(run.session_id, "")
            return await self._attempt(run, record, request)

    async def _attempt(self, run: Run, record: Record, request: RunRequest) -> Reply | Pause:
        try:
            await self._acquire_sandbox(run)
            await self._stage(run)
            return await self._start(run, record, request)
        except EngineLimited:  # nothing was started, so a later run can use the sandbox; a new session has no later run
            if run.new_record is None and run.lock.lease is not None:
                run.is_sandbox_kept = await self._sandboxes.keep(run.lock, run.lock.lease)
            raise

    async def _acquire_sandbox(self, run: Run) -> None:
        before = run.lock.lease
        run.sandbox, run.lease = await self._sandboxes.acquire(run.lock)
        run.timeline.lap("sandbox")
        run.timeline.set_sandbox(is_new=before is None or before.sandbox_id != run.sandbox.id)

    async def _stage(self, run: Run) -> None:
        """Stage the inputs that the sandbox lacks; one that cannot be staged becomes a note."""
        missing = missing_from(run.lease, run.inputs, self._store)
        if missing:
            forget_replaced(run.lease, (item.path for item in missing))
            refused = await _put(run.sandbox, missing)
            for path, reason in refused.items():
                run.inputs.by_path.pop(path, None)
                run.inputs.notes.append(f"The file {path!r} could not be placed in the workspace: {reason}.")
            note_placed(run.lease, run.inputs)
            run.timeline.add_staged(missing)
        run.timeline.lap("stage")

    async def _start(self, run: Run, record: Record, request: RunRequest) -> Reply | Pause:
        limits_of = self._policy.limits_for if request.tools is None else self._policy.limits_between_pauses
        program = Request(
            request.language.program(request.source, request.args),
            limits_of(request.timeout_seconds),
            remove=stale_in(run.lease, record, run.inputs),
            tools=request.tools,
        )
        if run.lock.is_lost():
            raise LeasesUnavailable("The session was lost to another replica before the program started.")
        begin = run.sandbox.exchange if request.tools is None else run.sandbox.begin
        reply = await self.admission.program(partial(begin, program), run.sandbox.id)
        run.timeline.lap("run")
        return reply


def _run_in(session: LockedSession, request: RunRequest, references: References, timeline: RunTimeline) -> Run:
    return Run(
        request.principal, request.language, timeline, session.record.id, session.hold,
        Lease(session.record.id, ""), select_inputs(references, session.record),
        new_record=session.record if session.is_new else None,
        reads_one_file=reads_one_file(request.language, request.source, request.args),
    )  # fmt: skip


async def _put(sandbox: Sandbox, missing: list[Staged]) -> dict[str, str]:
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
