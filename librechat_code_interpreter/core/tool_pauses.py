"""Pausing programs that wait for tools, and resuming them (K27-K33).

A paused run keeps its sandbox: the session is free for other runs, which get another sandbox. When the program
ends, its sandbox is the session's again, unless another run used the session meanwhile.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

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
    StoreUnavailable,
)
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.ids import is_paused_run, new_run_id
from librechat_code_interpreter.core.inputs import Inputs, Ref, resolve
from librechat_code_interpreter.core.languages import find_language
from librechat_code_interpreter.core.outputs import Delivery
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import FileStore, Lease, Leases, SessionLock
from librechat_code_interpreter.core.run_completion import Run, RunCompletion
from librechat_code_interpreter.core.run_result import RunResult
from librechat_code_interpreter.core.run_timeline import RunTimeline
from librechat_code_interpreter.core.sandbox_leases import SandboxLeases
from librechat_code_interpreter.runner.arguments import is_too_deep
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
        tokens: ContinuationTokens, max_paused: int, completion: RunCompletion, events: Events,
    ) -> None:  # fmt: skip
        self._store = store
        self._sandboxes = sandboxes
        self._leases = leases
        self._admission = admission
        self._tokens = tokens
        self._max_paused = max_paused
        self._completion = completion
        self._events = events

    async def waiting(self) -> int:
        """Return the number of programs that wait for tools."""
        return sum(is_paused_run(lease.session_id) for lease in await self._leases.all())

    async def depend_on_us(self) -> bool:
        """Return whether programs wait that no other process could resume."""
        try:
            return not self._tokens.outlive_us and await self.waiting() > 0
        except LeasesUnavailable:
            return False

    async def check_room(self) -> None:
        """Raise ``Busy`` if the maximum number of runs is paused."""
        if await self.waiting() >= self._max_paused:
            raise Busy("Too many programs are waiting for tools.", retry_after_seconds=15)

    async def pause(self, run: Run, pause: Pause) -> PausedRun:
        """Detach a run and its sandbox from its session, and return its token."""
        try:
            await self._completion.record(run, Delivery(), run.lock)
        except StoreUnavailable as error:  # the end of the run records it
            log.warning("session %s: a paused run could not be recorded: %s", run.session_id, error)
        run_id = new_run_id()
        async with self._leases.hold(run_id, 0) as lock:
            try:
                await self._leases.keep(lock, Lease(run_id, run.sandbox.id, run.lease.staged))
                await self._leases.drop(run.lock)
            except BaseException:  # no client will ever get its token, so it must not wait
                await self._sandboxes.discard(lock, run.sandbox.id)
                raise
        tenant, user = owner_of(run.principal)
        continuation = Continuation(
            run_id=run_id, sandbox_id=run.sandbox.id, session_id=run.session_id, language=run.language.name,
            number=pause.number, calls=[call.id for call in pause.calls], key=pause.key, tenant=tenant, user=user,
            inputs={path: (item.session_id, item.file.id) for path, item in run.inputs.by_path.items()},
            notes=run.inputs.notes,
        )  # fmt: skip
        return self._paused(run, continuation, pause)

    def _paused(self, run: Run, continuation: Continuation, pause: Pause) -> PausedRun:
        token = self._tokens.write(continuation)
        run.is_sandbox_kept = True
        run.timeline.set_paused(continuation.run_id, pause.number)
        return PausedRun(continuation.session_id, continuation.run_id, token, pause.calls, pause.stdout, pause.stderr)

    async def resume(self, principal: Principal, token: str, results: Sequence[Result]) -> RunResult | PausedRun:
        """Pass the results to the program, and run it to its next pause or its end.

        Raises ``NotFound`` if the run is gone, another caller's, or was resumed already. Raises ``Conflict`` while
        another request resumes it. Raises ``BadRequest`` for a malformed token, or if the results do not answer each
        call exactly once.
        """
        continuation = self._tokens.read(token, principal)
        _check(results, continuation)
        continuation, results = _within_limits(continuation, results)
        language = find_language(continuation.language)
        if language is None:  # a token of another version of the service
            raise gone()
        with RunTimeline(self._events, principal, language.name, run_id=continuation.run_id) as timeline:
            timeline.set_resumed(continuation.session_id, continuation.number)
            async with (
                self._admission.enter(goes_on=True),
                self._locked_run(continuation) as lock,
                self._admission.slot(principal.user, self._admission.time_to_wait()),
            ):
                timeline.lap("queue")
                sandbox = await self._sandboxes.engine.find(continuation.sandbox_id)
                if sandbox is None:
                    raise gone()
                timeline.lap("sandbox")
                lease = lock.lease or Lease(continuation.run_id, continuation.sandbox_id)
                run = Run(principal, language, timeline, continuation.session_id, lock, lease)
                run.sandbox = sandbox
                async with self._completion.cleanup(run):
                    reply = await self._send(run, continuation, results)
                    if isinstance(reply, Pause):
                        return await self._pause_again(run, continuation, reply)
                    run.inputs = await self._inputs(principal, continuation)
                    return await self._completion.finish(run, reply)

    @asynccontextmanager
    async def _locked_run(self, continuation: Continuation) -> AsyncIterator[SessionLock]:
        async with AsyncExitStack() as stack:
            try:
                lock = await stack.enter_async_context(self._leases.hold(continuation.run_id, 0))
            except Busy:
                raise Conflict("This continuation is under way already.", code="continuation_in_flight") from None
            yield lock

    async def _send(self, run: Run, continuation: Continuation, results: Sequence[Result]) -> Reply | Pause:
        """Send the results to the program; if it did not get them, keep its sandbox."""
        message = Results(continuation.number, list(results), continuation.key)
        try:
            reply = await self._admission.program(partial(run.sandbox.resume, message), run.sandbox.id)
        except (Draining, EngineLimited):  # the program still waits for them
            run.is_sandbox_kept = True
            raise
        except EngineUnavailable as error:  # whatever runs in the sandbox now, it does not wait for these results
            run.is_sandbox_kept = True
            log.info("a continuation came for a program that does not wait for it: %s", error)
            raise gone() from error
        run.timeline.lap("run")
        return reply

    async def _pause_again(self, run: Run, continuation: Continuation, pause: Pause) -> PausedRun:
        await self._leases.keep(run.lock, run.lease)
        calls = [call.id for call in pause.calls]
        return self._paused(run, continuation.next(pause.number, calls, continuation.received_bytes), pause)

    async def _inputs(self, principal: Principal, continuation: Continuation) -> Inputs:
        """Look up the program's inputs again; a file that no longer exists is the origin of no output."""
        refs = [Ref(session_id, file_id, path) for path, (session_id, file_id) in continuation.inputs.items()]
        try:
            references = await resolve(self._store, principal, refs)
        except StoreUnavailable as error:
            session_id = continuation.session_id
            log.warning("session %s: the inputs of a run that ended are not known: %s", session_id, error)
            return Inputs(notes=continuation.notes)
        by_path = {item.path: item for item in references.found}
        return Inputs(by_path, references.records, continuation.notes)


def _check(results: Sequence[Result], continuation: Continuation) -> None:
    """Raise ``BadRequest`` unless every waiting call is answered exactly once, and no other call is."""
    answered = [result.call_id for result in results]
    if not answered:
        raise BadRequest("tool_results: there are none.")
    for call_id in answered:
        if call_id not in continuation.calls:
            raise BadRequest(f"tool_results: {call_id[:40]!r} is no call that waits.")
        if answered.count(call_id) > 1:
            raise BadRequest(f"tool_results: {call_id[:40]!r} is answered twice.")
    missing = [call_id for call_id in continuation.calls if call_id not in answered]
    if missing:
        raise BadRequest(f"tool_results: {missing[0]!r} is not answered.")


def _within_limits(continuation: Continuation, results: Sequence[Result]) -> tuple[Continuation, list[Result]]:
    """Count the size of the results; one that is too large becomes an error that the program can handle."""
    received, accepted = continuation.received_bytes, []
    for result in results:
        if is_too_deep(result.result):
            accepted.append(Result(result.call_id, is_error=True, error_message="The result is nested too deeply."))
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
        accepted.append(result)
    return continuation.next(continuation.number, continuation.calls, received), accepted


def _too_large(size: int, what: str, max_bytes: int) -> str:
    return f"The result is too large: {size} bytes, where {what} of a run may take {max_bytes}."
