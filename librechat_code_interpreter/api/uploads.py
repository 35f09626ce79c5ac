"""``POST /upload`` and ``POST /upload/batch`` (K34-K37)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from librechat_code_interpreter.api.errors import json_response
from librechat_code_interpreter.api.middleware import principal_of
from librechat_code_interpreter.api.multipart import Part, parts_of
from librechat_code_interpreter.api.schemas import ERRORS, BatchResponse, UploadedFile, UploadResponse
from librechat_code_interpreter.core.errors import BadRequest, ClientLeft, TooLarge
from librechat_code_interpreter.core.files import Files, Upload, UploadPurpose
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.session import FileRecord

_TRUE = frozenset({"true", "1", "yes", "on"})
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "session_id": {
                            "type": "string",
                            "description": "Existing session to add to; must precede the files.",
                        },
                        "entity_id": {"type": "string"},
                        "kind": {"type": "string", "enum": ["user", "agent", "skill"]},
                        "id": {"type": "string"},
                        "version": {"type": "string"},
                        "read_only": {"type": "boolean"},
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                    },
                }
            }
        },
    }
}


def router(files: Files) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["files"])

    @routes.post(
        "/upload", response_model=UploadResponse, responses=ERRORS, openapi_extra=_FORM, summary="Upload files"
    )
    async def upload(request: Request) -> Response:
        receiver = UploadReceiver(files, principal_of(request))
        received = await receiver.receive(request)
        answer = UploadResponse(
            session_id=received.record.id,
            storage_session_id=received.record.id,
            files=[_uploaded(file) for file in received.files],
        )
        return json_response(answer.model_dump(exclude_none=True))

    @routes.post(
        "/upload/batch",
        response_model=BatchResponse,
        responses=ERRORS,
        openapi_extra=_FORM,
        summary="Upload files, with a result for each",
    )
    async def batch(request: Request) -> Response:
        receiver = UploadReceiver(files, principal_of(request), results_per_file=True)
        received = await receiver.receive(request)
        failed = [item for item in receiver.items if item["status"] == "error"]
        succeeded = len(receiver.items) - len(failed)
        answer = BatchResponse(
            message="error" if not succeeded else "partial_success" if failed else "success",
            session_id=received.record.id, storage_session_id=received.record.id,
            files=receiver.items, succeeded=succeeded, failed=len(failed),
        )  # fmt: skip
        body = answer.model_dump(exclude_none=True)
        return json_response(
            body if succeeded else body | {"error": "no file could be stored"}, 200 if succeeded else 400
        )

    return routes


class UploadReceiver:
    """Stores the files of one multipart body; on any failure none of them is kept."""

    def __init__(self, files: Files, principal: Principal, *, results_per_file: bool = False) -> None:
        self._files = files
        self._principal = principal
        self._results_per_file = results_per_file
        self._fields: dict[str, str] = {}
        self._upload: Upload | None = None
        self.items: list[dict[str, Any]] = []

    async def receive(self, request: Request) -> Upload:
        """Read the complete body and make its files visible. Raises ``BadRequest``, ``TooLarge``, ``NotFound``."""
        try:
            async for part in parts_of(request):
                await self._receive_part(part)
            if self._upload is None:
                raise BadRequest("file: missing; send at least one file.")
            purpose = self._purpose()
            if self._upload.files:
                await self._upload.commit(purpose, self._principal)
            return self._upload
        except BaseException as error:
            if self._upload is not None:
                await self._upload.abandon()
            if isinstance(error, ClientDisconnect):
                raise ClientLeft("The client closed the connection.") from error
            raise

    async def _receive_part(self, part: Part) -> None:
        if part.filename is None:
            if part.name == "session_id" and self._upload is not None:
                raise BadRequest("session_id: must come before the files.")
            self._fields[part.name] = await part.text()
            return
        if self._upload is None:
            self._upload = await self._files.begin(self._principal, self._fields.get("session_id"))
        if self._results_per_file:
            await self._store_or_report(self._upload, part, part.filename)
        else:
            await self._upload.add(part.filename, part.content_type, part.chunks())

    async def _store_or_report(self, upload: Upload, part: Part, name: str) -> None:
        try:
            file = await upload.add(name, part.content_type, part.chunks())
        except (BadRequest, TooLarge) as error:
            self.items.append({"status": "error", "filename": name, "name": name, "error": error.message})
        else:
            self.items.append(_uploaded(file, name).model_dump() | {"status": "success"})

    def _purpose(self) -> UploadPurpose:
        fields = self._fields
        return UploadPurpose(
            session_id=fields.get("session_id"), entity_id=fields.get("entity_id"), kind=fields.get("kind") or None,
            id=fields.get("id"), version=fields.get("version"),
            read_only=fields.get("read_only", "").lower() in _TRUE,
        )  # fmt: skip


def _uploaded(file: FileRecord, name: str | None = None) -> UploadedFile:
    shown = name or file.path
    return UploadedFile(fileId=file.id, filename=shown, id=file.id, name=shown, size=file.size)
