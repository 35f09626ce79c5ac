"""Pausing programs that wait for tools, and resuming them (K27-K33).

A paused run keeps its sandbox: the session is free for other runs, which get another sandbox. When the program
ends, its sandbox is the session's again, unless another run used the session meanwhile.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from librechat_code_interpreter.core import inputs, outputs
from librechat_code_interpreter.core.access import private_scope
from librechat_code_interpreter.core.admission import Admission
from librechat_code_interpreter.core.continuation_tokens import Continuation, ContinuationTokens, gone, owner_of
from librechat_code_interpreter.core.errors import (
    BadRequest,
    Busy,
    Conflict,
    Draining,
    EngineLimited,
    EngineUnavailable,
    LeasesUnavailable,
    NotFound,
    StoreUnavailable,
)
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.ids import is_paused_run, new_run_id
from librechat_code_interpreter.core.inputs import Inputs, Ref
from librechat_code_interpreter.core.outputs import Delivery
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import FileStore, Lease, Leases, Sandbox, SessionLock
from librechat_code_interpreter.core.results import RunResult, result_of
from librechat_code_interpreter.core.run_timeline import RunTimeline
from librechat_code_interpreter.core.sandbox_leases import SandboxLeases
from librechat_code_interpreter.core.session import Record, now
from librechat_code_interpreter.core.session_selection import LockedSession
from librechat_code_interpreter.runner.arguments import is_too_deep
from librechat_code_interpreter.runner.endings import UNCOLLECTED
from librechat_code_interpreter.runner.messages import Call, Pause, Reply, Result, Results

log = logging.getLogger(__name__)

RESULT_BYTES = 5 * 1024 * 1024
RESULTS_BYTES = 40 * 1024 * 1024
"""The most that one result may take, and all results of a run together, as JSON."""


@dataclass(frozen=True, slots=True)
class PausedRun:
    """A paused run: what the program waits for, and the token to resume it."""

    session_id: str
    run_id: str
    token: str
    calls: list[Call]
    stdout: str
    stderr: str


class ToolPauses:
    """Pauses runs and resumes them."""

    def __init__(
        self, store: FileStore, sandboxes: SandboxLeases, leases: Leases, admission: Admission,
        tickets: ContinuationTokens, most: int, events: Events,
    ) -> None:  # fmt: skip
        self._store = store
        self._sandboxes = sandboxes
        self._leases = leases
        self._admission = admission
        self._tickets = tickets
        self._most = most
        self._events = events

    async def waiting(self) -> int:
        """Return the number of programs that wait for tools."""
        return sum(is_paused_run(lease.session_id) for lease in await self._leases.all())

    async def depend_on_us(self) -> bool:
        """Return whether programs wait that no other process could resume."""
        try:
            return not self._tickets.outlive_us and await self.waiting() > 0
        except LeasesUnavailable:
            return False

    async def check_room(self) -> None:
        """Raise ``Busy`` if the maximum number of runs is paused."""
        if await self.waiting() >= self._most:
            raise Busy("Too many programs are waiting for tools.", retry_after_seconds=15)

    async def pause(
        self, principal: Principal, language: str, chosen: LockedSession, inputs: Inputs, lease: Lease, pause: Pause
    ) -> PausedRun:
        """Detach a run and its sandbox from its session, and return its token."""
        run_id = new_run_id()
        tenant, user = owner_of(principal)
        async with self._leases.hold(run_id, 0) as hold:
            try:
                await self._leases.keep(hold, Lease(run_id, lease.sandbox_id, lease.staged))
                await self._leases.drop(chosen.hold)
            except BaseException:  # no client will ever get its token, so it must not wait
                await self._sandboxes.discard(hold, lease.sandbox_id)
                raise
        ticket = Continuation(
            run_id=run_id, sandbox_id=lease.sandbox_id, session_id=chosen.record.id, language=language,
            number=pause.number, calls=[call.id for call in pause.calls], key=pause.key, tenant=tenant, user=user,
            inputs={path: (item.session_id, item.file.id) for path, item in inputs.by_path.items()},
            notes=inputs.notes,
        )  # fmt: skip
        return self._paused(ticket, pause)

    def _paused(self, ticket: Continuation, pause: Pause) -> PausedRun:
        token = self._tickets.write(ticket)
        return PausedRun(ticket.session_id, ticket.run_id, token, pause.calls, pause.stdout, pause.stderr)

    async def resume(self, principal: Principal, token: str, results: Sequence[Result]) -> RunResult | PausedRun:
        """Pass the results to the program, and run it to its next pause or its end.

        Raises ``NotFound`` if the run is gone, another caller's, or was resumed already. Raises ``Conflict`` while
        another request resumes it. Raises ``BadRequest`` for a malformed token, or if the results do not answer each
        call exactly once.
        """
        ticket = self._tickets.read(token, principal)
        _check(results, ticket)
        ticket, results = _within_limits(ticket, results)
        with RunTimeline(self._events, principal, ticket.language, run_id=ticket.run_id) as timeline:
            timeline.resumed(ticket.session_id, ticket.number)
            async with (
                self._admission.enter(goes_on=True),
                self._alone(ticket) as hold,
                self._admission.slot(principal.user, self._admission.time_to_wait()),
            ):
                timeline.lap("queue")
                sandbox = await self._sandboxes.engine.find(ticket.sandbox_id)
                if sandbox is None:
                    raise gone()
                timeline.lap("sandbox")
                return await self._go_on(principal, ticket, hold, sandbox, results, timeline)

    @asynccontextmanager
    async def _alone(self, ticket: Continuation) -> AsyncIterator[SessionLock]:
        holding = self._leases.hold(ticket.run_id, 0)
        try:
            hold = await holding.__aenter__()
        except Busy:
            raise Conflict("This continuation is under way already.", code="continuation_in_flight") from None
        try:
            yield hold
        finally:
            await holding.__aexit__(None, None, None)

    async def _go_on(
        self, principal: Principal, ticket: Continuation, hold: SessionLock, sandbox: Sandbox,
        results: Sequence[Result], timeline: RunTimeline,
    ) -> RunResult | PausedRun:  # fmt: skip
        lease = hold.lease or Lease(ticket.run_id, ticket.sandbox_id)
        is_kept = False
        try:
            given = Results(ticket.number, list(results), ticket.key)
            answer = await self._admission.program(partial(sandbox.resume, given), sandbox.id)
            timeline.lap("run")
            if isinstance(answer, Pause):
                await self._leases.keep(hold, lease)
                is_kept = True
                timeline.paused(ticket.run_id, answer.number)
                calls = [call.id for call in answer.calls]
                return self._paused(ticket.next(answer.number, calls, ticket.received_bytes), answer)
            result, is_kept = await self._finish(principal, ticket, hold, sandbox, lease, answer, timeline)
            return result
        except (Draining, EngineLimited):
            is_kept = True  # the program did not get the results, so it still waits for them
            raise
        except EngineUnavailable as error:
            is_kept = True  # whatever runs in the sandbox now, it does not wait for these results
            log.info("a continuation came for a program that does not wait for it: %s", error)
            raise gone() from error
        finally:
            if not is_kept:
                await self._sandboxes.discard(hold, ticket.sandbox_id)

    async def _finish(
        self, principal: Principal, ticket: Continuation, hold: SessionLock, sandbox: Sandbox, lease: Lease,
        reply: Reply, timeline: RunTimeline,
    ) -> tuple[RunResult, bool]:  # fmt: skip
        """Store the program's outputs; return also whether its sandbox serves the session from now on."""
        inputs = await self._inputs(principal, ticket)
        delivery = await outputs.collect(self._store, sandbox, ticket.session_id, inputs, reply)
        timeline.lap("collect")
        is_adopted = False
        try:
            async with self._leases.hold(ticket.session_id, 0) as session:
                await self._record(principal, ticket, delivery, is_overtaken=session.lease is not None)
                if session.lease is None and hold.lease is not None and reply.ending not in UNCOLLECTED:
                    heir = Lease(ticket.session_id, ticket.sandbox_id, lease.staged)
                    outputs.note_in_lease(heir, ticket.session_id, inputs, delivery, reply)
                    await self._leases.drop(hold)  # first: two leases on one sandbox would destroy it twice
                    is_adopted = await self._sandboxes.keep(session, heir)
        except Busy:  # another run is in the session at this moment, and counts as the newer one
            delivery = await self._record_if_possible(principal, ticket, delivery)
        except StoreUnavailable as error:
            delivery = _not_recorded(ticket, delivery, error)
        timeline.lap("record")
        timeline.ended(reply, delivery)
        return result_of(ticket.session_id, ticket.language, reply, inputs, delivery), is_adopted

    async def _inputs(self, principal: Principal, ticket: Continuation) -> Inputs:
        """Look up the program's inputs again; a file that no longer exists is the origin of no output."""
        refs = [Ref(session_id, file_id, path) for path, (session_id, file_id) in ticket.inputs.items()]
        try:
            found = await inputs.resolve(self._store, principal, refs)
        except StoreUnavailable as error:
            log.warning("session %s: the inputs of a run that ended are not known: %s", ticket.session_id, error)
            return Inputs(notes=ticket.notes)
        return Inputs({item.path: item for item in found.found}, found.records, ticket.notes)

    async def _record_if_possible(self, principal: Principal, ticket: Continuation, delivery: Delivery) -> Delivery:
        try:
            await self._record(principal, ticket, delivery, is_overtaken=True)
        except StoreUnavailable as error:
            return _not_recorded(ticket, delivery, error)
        return delivery

    async def _record(
        self, principal: Principal, ticket: Continuation, delivery: Delivery, *, is_overtaken: bool
    ) -> None:
        """Record the run's outputs; create the session if its record could not be written at the pause."""

        def apply(record: Record) -> None:
            record.used = now()
            outputs.note_in_record(record, delivery, is_overtaken=is_overtaken)

        try:
            await self._store.change(ticket.session_id, apply)
        except NotFound:
            record = Record(id=ticket.session_id, scope=private_scope(principal), user=principal.user)
            apply(record)
            await self._store.create(record)


def _not_recorded(ticket: Continuation, delivery: Delivery, error: StoreUnavailable) -> Delivery:
    """Return the delivery of a finished run without its files, which nobody could find again."""
    log.warning("session %s: a run could not be recorded: %s", ticket.session_id, error)
    return outputs.nothing_of(delivery)


def _check(results: Sequence[Result], ticket: Continuation) -> None:
    """Raise ``BadRequest`` unless every waiting call is answered exactly once, and no other call is."""
    answered = [result.call_id for result in results]
    if not answered:
        raise BadRequest("tool_results: there are none.")
    for call_id in answered:
        if call_id not in ticket.calls:
            raise BadRequest(f"tool_results: {call_id[:40]!r} is no call that waits.")
        if answered.count(call_id) > 1:
            raise BadRequest(f"tool_results: {call_id[:40]!r} is answered twice.")
    missing = [call_id for call_id in ticket.calls if call_id not in answered]
    if missing:
        raise BadRequest(f"tool_results: {missing[0]!r} is not answered.")


def _within_limits(ticket: Continuation, results: Sequence[Result]) -> tuple[Continuation, list[Result]]:
    """Count the size of the results; one that is too large becomes an error that the program can handle."""
    received, taken = ticket.received_bytes, []
    for result in results:
        if is_too_deep(result.result):
            taken.append(Result(result.call_id, is_error=True, error_message="The result is nested too deeply."))
            continue
        size = len(json.dumps([result.result, result.error_message], ensure_ascii=False).encode("utf-8", "replace"))
        if size > RESULT_BYTES:
            result = Result(result.call_id, is_error=True, error_message=_too_large(size, "a result", RESULT_BYTES))
        elif received + size > RESULTS_BYTES:
            result = Result(
                result.call_id, is_error=True, error_message=_too_large(received + size, "all results", RESULTS_BYTES)
            )
        else:
            received += size
        taken.append(result)
    return ticket.next(ticket.number, ticket.calls, received), taken


def _too_large(size: int, what: str, most: int) -> str:
    return f"The result is too large: {size} bytes, where {what} of a run may take {most}."
