"""Routes for stored files: list, probe, download, delete (K38-K41)."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from librechat_code_interpreter.api.errors import json_response
from librechat_code_interpreter.api.middleware import principal_of
from librechat_code_interpreter.api.schemas import ERRORS, Deleted
from librechat_code_interpreter.core.files import Files
from librechat_code_interpreter.core.session import FileRecord, Record, iso, last_modified

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-store",
}


def router(files: Files) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["files"], responses=ERRORS)

    @routes.get("/files/{session_id}", summary="List a session's files")
    async def listing(session_id: str, request: Request, detail: str = "summary") -> Response:
        record = await files.session(principal_of(request), session_id)
        shape = _SHAPES.get(detail, _full)
        return Response(orjson.dumps([shape(record, file) for file in record.current()]), media_type="application/json")

    @routes.get("/sessions/{session_id}/objects/{file_id}", summary="Describe a file")
    async def probe(session_id: str, file_id: str, request: Request) -> Response:
        record, file = await files.find(principal_of(request), session_id, file_id)
        return json_response(
            {
                "name": _object_name(record, file),
                "originalFilename": file.path,
                "size": file.size,
                "lastModified": iso(last_modified(record, file)),
                "etag": file.etag,
                "contentType": file.content_type,
                "readOnly": file.read_only,
            }
        )

    @routes.get("/download/{session_id}/{file_id}", summary="Download a file", response_class=StreamingResponse)
    async def download(session_id: str, file_id: str, request: Request) -> Response:
        _, file = await files.find(principal_of(request), session_id, file_id)
        return await _stream(files, session_id, file, request.headers.get("range"))

    @routes.delete("/files/{session_id}/{file_id}", response_model=Deleted, summary="Delete a file")
    @routes.delete("/sessions/{session_id}/objects/{file_id}", response_model=Deleted, summary="Delete a file")
    async def delete(session_id: str, file_id: str, request: Request) -> Response:
        await files.delete(principal_of(request), session_id, file_id)
        return json_response(Deleted(session_id=session_id, fileId=file_id).model_dump())

    return routes


def _object_name(record: Record, file: FileRecord) -> str:
    """Return the object name in the official server's form; clients extract the file id from it (K38)."""
    return f"{record.id}/{file.id}{os.path.splitext(file.path)[1]}"


def _full(record: Record, file: FileRecord) -> dict[str, Any]:
    return {
        "name": _object_name(record, file), "id": file.id, "fileId": file.id,
        "session_id": record.id, "storage_session_id": record.id, "filename": file.path, "size": file.size,
        "lastModified": iso(last_modified(record, file)), "etag": file.etag, "contentType": file.content_type,
        "metadata": {"content-type": file.content_type, "original-filename": file.path},
    }  # fmt: skip


def _normalized(record: Record, file: FileRecord) -> dict[str, Any]:
    return {
        "id": file.id, "name": file.path, "storage_session_id": record.id, "size": file.size,
        "contentType": file.content_type, "lastModified": iso(last_modified(record, file)),
    }  # fmt: skip


_SHAPES: dict[str, Any] = {"simple": _object_name, "normalized": _normalized}


async def _stream(files: Files, session_id: str, file: FileRecord, range_header: str | None) -> Response:
    headers = {
        **_SAFE_HEADERS,
        "ETag": file.etag,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(os.path.basename(file.path), safe='')}",
    }
    span = _span(range_header, file.size)
    if span is None:
        error = {"error": "range_not_satisfiable", "message": f"The file has {file.size} bytes."}
        return json_response(error, 416, {"Content-Range": f"bytes */{file.size}"})
    start, end = span
    headers["Content-Length"] = str(end - start)
    status = 200
    if (start, end) != (0, file.size):
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    if start == end:
        return Response(b"", status, headers, file.content_type)
    chunks = files.read(session_id, file.id, start, end)
    first = await anext(chunks)  # a missing or broken file raises here, before the response begins
    return StreamingResponse(_from(first, chunks), status, headers, file.content_type)


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _span(range_header: str | None, size: int) -> tuple[int, int] | None:
    """Parse a ``Range`` header into the first byte and the one after the last; ``None`` if outside the file.

    Several ranges, or another unit, return the complete file, as RFC 9110 allows.
    """
    match = _RANGE.fullmatch(range_header.strip()) if range_header else None
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None
