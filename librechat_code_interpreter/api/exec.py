"""``POST /exec`` (K14-K26)."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response

from librechat_code_interpreter.api.client_fingerprint import LIBRECHAT, signs_of_run
from librechat_code_interpreter.api.disconnect import while_connected
from librechat_code_interpreter.api.errors import json_response
from librechat_code_interpreter.api.middleware import principal_of
from librechat_code_interpreter.api.schemas import (
    ERRORS,
    ArtifactDelivery,
    ErrorBody,
    ExecFile,
    ExecRequest,
    ExecResponse,
    Origin,
    WireRef,
)
from librechat_code_interpreter.core.errors import BadRequest
from librechat_code_interpreter.core.events import Events, LibreChatSpoke
from librechat_code_interpreter.core.inputs import Ref
from librechat_code_interpreter.core.languages import find_language
from librechat_code_interpreter.core.outputs import Delivery, Output
from librechat_code_interpreter.core.run_result import STATUS, RunResult
from librechat_code_interpreter.core.run_service import RunRequest, RunService

MAX_HINT_CHARS = 256
_RESPONSES = {**ERRORS, 409: {"model": ErrorBody, "description": "The session is bound to another language"}}


def router(runs: RunService, events: Events) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["run"])

    @routes.post("/exec", response_model=ExecResponse, responses=_RESPONSES, summary="Run a program")
    async def execute(body: ExecRequest, request: Request) -> Response:
        run_request = run_request_of(body, request)
        if not run_request.may_be_refused and (signs := signs_of_run(body)):
            events.tell(LibreChatSpoke(time.time(), "", signs))
        result = await while_connected(request, runs.run_to_end(run_request))
        return json_response(answer_of(result).model_dump(exclude_none=True))

    return routes


def run_request_of(body: ExecRequest, request: Request) -> RunRequest:
    """Convert the request to a ``RunRequest``. Raises ``BadRequest`` for an unknown language."""
    language = find_language(body.lang)
    if language is None:
        raise BadRequest(f"lang: {body.lang[:40]!r} is not a language that this service knows.")
    hint = body.runtime_session_hint
    return RunRequest(
        principal=principal_of(request).known_as(body.user_id),
        language=language,
        source=body.code,
        args=body.args,
        refs=[ref_of(item) for item in body.files],
        session_id=body.session_id or None,
        hint=hint[:MAX_HINT_CHARS] if hint else None,
        timeout_seconds=None if body.timeout is None else body.timeout / 1000,
        # newer clients send the last run's session with code of any language, and show the model a 409 as an outage
        may_be_refused=not request.headers.get("user-agent", "").startswith(LIBRECHAT),
    )


def ref_of(item: WireRef) -> Ref:
    """Convert a ref of either generation; one with a missing part matches no file, and stderr reports it."""
    return Ref(item.storage_session_id or item.session_id or "", item.id or "", item.name or "")


def answer_of(result: RunResult) -> ExecResponse:
    """Convert a run's result to the response."""
    reply = result.reply
    return ExecResponse(
        session_id=result.session_id,
        stdout=reply.stdout,
        stderr=reply.stderr,
        files=[_file_of(output, result.session_id) for output in result.delivery.outputs],
        language=result.language,
        wall_time=round(reply.wall_seconds * 1000, 1),
        code=reply.code,
        signal=reply.signal,
        message=result.message,
        status=STATUS.get(reply.ending),
        deleted_files=result.delivery.deleted or None,
        artifact_delivery=_shortfall(result.delivery),
    )


def _file_of(output: Output, session_id: str) -> ExecFile:
    origin = output.origin
    return ExecFile(
        id=output.file.id,
        name=output.file.path,
        session_id=session_id,
        storage_session_id=session_id,
        modified_from=Origin(id=origin.file.id, storage_session_id=origin.session_id) if origin else None,
    )


def _shortfall(delivery: Delivery) -> ArtifactDelivery | None:
    if not delivery.failed:
        return None
    delivered, failed = len(delivery.outputs), len(delivery.failed)
    return ArtifactDelivery(
        status="partial" if delivered else "failed", attempted=delivered + failed, delivered=delivered, failed=failed
    )
