"""``POST /exec/programmatic`` and its cancellation (K27-K33)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter, Request, Response

from librechat_code_interpreter.api.client_fingerprint import LIBRECHAT
from librechat_code_interpreter.api.disconnect import while_connected
from librechat_code_interpreter.api.errors import json_response
from librechat_code_interpreter.api.exec import MAX_HINT_CHARS, answer_of, ref_of
from librechat_code_interpreter.api.middleware import principal_of
from librechat_code_interpreter.api.schemas import (
    ERRORS,
    Cancelled,
    CancelRequest,
    ErrorBody,
    ProgrammaticRequest,
    ProgrammaticResponse,
    ToolCall,
    WireResult,
    WireTool,
)
from librechat_code_interpreter.core.continuation_tokens import owner_of
from librechat_code_interpreter.core.errors import BadRequest, ClientLeft, NotFound
from librechat_code_interpreter.core.languages import Language, find_language
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.run_result import RunResult
from librechat_code_interpreter.core.run_service import RunRequest, RunService
from librechat_code_interpreter.core.tool_pauses import PausedRun, ToolPauses
from librechat_code_interpreter.core.tools import Offered, functions
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Reply, Result

REQUEST_ID = "x-librechat-code-request-id"
SHOWN_STDOUT_CHARS = 4000
_RESPONSES = {**ERRORS, 409: {"model": ErrorBody, "description": "The continuation is under way already"}}

_Key = tuple[str | None, str | None, str]


class InFlight:
    """Requests in flight by their client's request id, for cancellation."""

    def __init__(self) -> None:
        self._tasks: dict[_Key, asyncio.Task[Any]] = {}

    @contextmanager
    def named(self, key: _Key | None, task: asyncio.Task[Any]) -> Iterator[None]:
        """Register a task for the duration of the block; of two tasks with one key, the later is kept."""
        if key is not None:
            self._tasks[key] = task
        try:
            yield
        finally:
            if key is not None and self._tasks.get(key) is task:
                del self._tasks[key]

    def cancel(self, key: _Key) -> bool:
        """Cancel a task; return whether it was registered and could be cancelled."""
        task = self._tasks.pop(key, None)
        return task is not None and task.cancel()


def router(runs: RunService, paused_runs: ToolPauses) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["run"])
    in_flight = InFlight()

    @routes.post(
        "/exec/programmatic",
        response_model=ProgrammaticResponse,
        responses=_RESPONSES,
        summary="Run a program that calls the client's tools",
    )
    async def programmatic(body: ProgrammaticRequest, request: Request) -> Response:
        principal = principal_of(request)
        if body.continuation_token is None:
            work = runs.run(run_request_of(body, request))
        else:
            results = [_result_of(item) for item in body.tool_results or []]
            work = paused_runs.resume(principal, body.continuation_token, results)
        task = asyncio.ensure_future(work)
        with in_flight.named(_key_of(request, principal), task):
            outcome = await _cancellable(request, task)
        is_librechat = request.headers.get("user-agent", "").startswith(LIBRECHAT)
        answer = response_of(outcome, shows_stderr_only=is_librechat).model_dump(exclude_none=True)
        # a program's arguments may contain what the faster JSON encoder of the other routes refuses: large integers,
        # lone surrogates
        return Response(json.dumps(answer, separators=(",", ":")), media_type="application/json")

    @routes.post(
        "/exec/programmatic/cancel",
        response_model=Cancelled,
        responses=ERRORS,
        summary="Cancel a request in flight by its id",
    )
    async def cancel(body: CancelRequest, request: Request) -> Response:
        if not in_flight.cancel((*owner_of(principal_of(request)), body.request_id)):
            raise NotFound("No request of that name is under way.")
        return json_response(Cancelled(request_id=body.request_id).model_dump())

    return routes


async def _cancellable(request: Request, task: asyncio.Task[RunResult | PausedRun]) -> RunResult | PausedRun:
    try:
        return await while_connected(request, task)
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        raise ClientLeft("The client cancelled the request.") from None


def _key_of(request: Request, principal: Principal) -> _Key | None:
    name = request.headers.get(REQUEST_ID)
    return (*owner_of(principal), name) if name else None


def run_request_of(body: ProgrammaticRequest, request: Request) -> RunRequest:
    """Convert the first request to a ``RunRequest``. Raises ``BadRequest``."""
    if body.code is None:
        raise BadRequest("code: a first request needs a program, a later one its continuation_token.")
    language = _language_of(body)
    hint = body.runtime_session_hint
    return RunRequest(
        principal=principal_of(request).known_as(body.user_id),
        language=language,
        source=body.code,
        refs=[ref_of(item) for item in body.files],
        session_id=body.session_id or None,
        hint=hint[:MAX_HINT_CHARS] if hint else None,
        timeout_seconds=None if body.timeout is None else body.timeout / 1000,
        may_be_refused=False,
        tools=functions([_offered(item) for item in body.tools or []], language),
    )


def _language_of(body: ProgrammaticRequest) -> Language:
    name = body.lang or body.language or "python"
    language = find_language(name)
    if language is None or language.name not in ("py", "bash"):
        raise BadRequest(f"lang: {name[:40]!r} cannot call tools; python and bash can.")
    return language


def _offered(item: WireTool) -> Offered:
    parameters = item.parameters if isinstance(item.parameters, dict) else None
    return Offered(item.name, item.description or "", parameters)


def _result_of(item: WireResult) -> Result:
    return Result(item.call_id, item.result, bool(item.is_error), item.error_message or "")


def response_of(outcome: RunResult | PausedRun, *, shows_stderr_only: bool) -> ProgrammaticResponse:
    """Convert the outcome of a run to the response.

    Of an error LibreChat shows its model only stderr. With ``shows_stderr_only``, stderr then also contains the end of
    stdout.
    """
    if isinstance(outcome, PausedRun):
        return ProgrammaticResponse(
            status="tool_call_required",
            session_id=outcome.session_id,
            continuation_token=outcome.token,
            tool_calls=[ToolCall(id=call.id, name=call.name, input=call.input) for call in outcome.calls],
            partial_stdout=outcome.stdout or None,
            partial_stderr=outcome.stderr or None,
        )
    answer = answer_of(outcome)
    response = ProgrammaticResponse(
        status="completed", session_id=answer.session_id, stdout=answer.stdout, stderr=answer.stderr,
        files=answer.files, deleted_files=answer.deleted_files, artifact_delivery=answer.artifact_delivery,
    )  # fmt: skip
    if outcome.reply.ending is not Ending.OK:
        response.status, response.error = "error", error_of(outcome.reply)
        if shows_stderr_only and answer.stdout:
            response.stderr = _with_stdout(answer.stderr, answer.stdout)
    return response


def error_of(reply: Reply) -> str:
    """Return the error of a run with tool calls, as one of the texts that clients recognize (K31)."""
    match reply.ending:
        case Ending.TIME:
            return "Time limit exceeded"
        case Ending.MEMORY:
            return "Out of memory"
        case Ending.OUTPUT:
            return f"{reply.overflowed or 'stdout'} length exceeded"
        case Ending.EXIT | Ending.SIGNAL:
            return f"Sandbox exited with code {reply.code}"
        case _:
            return "Execution failed or timed out"


def _with_stdout(stderr: str, stdout: str) -> str:
    end = "" if stderr.endswith("\n") or not stderr else "\n"
    return f"{stderr}{end}[sandbox] stdout until then:\n{stdout[-SHOWN_STDOUT_CHARS:]}"
