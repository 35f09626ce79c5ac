"""The toolbox's file routes, with the SDK's two formats for many files in one call."""

from __future__ import annotations

import os
import re
import stat
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

import anyio.to_thread
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from devtools.daytona_emulator import strict
from devtools.daytona_emulator.errors import Problem, of_errno
from devtools.daytona_emulator.jail import HOME, Jail, JailGone, Refused
from devtools.daytona_emulator.multipart import close_delimiter, error_part, file_head
from devtools.daytona_emulator.replies import reply
from devtools.daytona_emulator.toolbox import reach

_CHUNK = 1024 * 1024
_MOST_PARTS = 100_000
_INDEXED: Final = re.compile(r"files\[(\d+)\]\.(path|file)")
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


async def _ask(jail: Jail, op: str, path: str, **request: Any) -> tuple[dict[str, Any], list[int]]:
    """Ask the agent about a path. Raises ``Problem`` of the daemon, or of the proxy when nobody answers."""
    try:
        return await jail.ask(op, path=path, **request)
    except Refused as error:
        raise of_errno(error.errno, path, str(error)) from error
    except JailGone as error:
        raise Problem(502, f"the sandbox does not answer: {error}", source="DAYTONA_PROXY") from error


def _path(request: Request, name: str = "path") -> str:
    path = request.query_params.get(name)
    if not path:
        raise Problem(400, f"{name} is missing", "INVALID_FILE_PATH", "DAYTONA_DAEMON")
    return absolute(path)


def absolute(path: str) -> str:
    """Resolve a path as the daemon does: relative ones begin where commands start."""
    return str(PurePosixPath(HOME, path))


def _octal(text: str) -> int:
    try:
        return int(text, 8) & 0o7777
    except ValueError as error:
        raise Problem(400, "mode must be an octal number", "BAD_REQUEST", "DAYTONA_DAEMON") from error


async def make_folder(request: Request) -> Response:
    """Make a directory and those above it."""
    _, jail = reach(request)
    await _ask(jail, "mkdir", _path(request), mode=_octal(request.query_params.get("mode", "")))
    return Response(status_code=201)


async def info(request: Request) -> Response:
    """Describe one path."""
    _, jail = reach(request)
    found, _ = await _ask(jail, "stat", _path(request))
    return reply(request, "FileInfo", described(found["info"]))


async def listing(request: Request) -> Response:
    """Describe what a directory holds."""
    _, jail = reach(request)
    depth = strict.integer(request.query_params.get("depth", "1"), "depth")
    found, _ = await _ask(jail, "list", _path(request), depth=depth)
    return reply(request, "FileInfo", [described(entry) for entry in found["infos"]])


def described(found: dict[str, Any]) -> dict[str, Any]:
    """Write a description as the daemon does."""
    modified = datetime.fromtimestamp(found["mtime"], UTC)
    return {
        "name": PurePosixPath(found["path"]).name, "path": found["path"], "isDir": stat.S_ISDIR(found["mode"]),
        "size": found["size"], "mode": stat.filemode(found["mode"]), "permissions": f"{found['mode'] & 0o7777:04o}",
        "modTime": modified.strftime("%Y-%m-%d %H:%M:%S.%f +0000 UTC"), "modifiedAt": modified.isoformat(),
        "owner": _owner(found["uid"]), "group": _owner(found["gid"]),
    }  # fmt: skip


def _owner(number: int) -> str:
    return {0: "root", 1000: "daytona"}.get(number, str(number))


async def delete(request: Request) -> Response:
    """Remove a file, or a directory when ``recursive``."""
    _, jail = reach(request)
    await _ask(jail, "remove", _path(request), recursive=request.query_params.get("recursive") in ("true", "True"))
    return Response(status_code=204)


async def move(request: Request) -> Response:
    """Rename."""
    _, jail = reach(request)
    source = _path(request, "source")
    await _ask(jail, "move", source, source=source, destination=_path(request, "destination"))
    return Response()


async def permissions(request: Request) -> Response:
    """Set a mode; owner and group stay."""
    _, jail = reach(request)
    if "mode" in request.query_params:
        await _ask(jail, "chmod", _path(request), mode=_octal(request.query_params["mode"]))
    return Response()


async def bulk_upload(request: Request) -> Response:
    """Store many files of one multipart body: ``files[N].path`` names the place, ``files[N].file`` has the bytes."""
    _, jail = reach(request)
    paths: dict[int, str] = {}
    contents: dict[int, UploadFile] = {}
    async with request.form(max_files=_MOST_PARTS, max_fields=_MOST_PARTS) as form:
        for name, value in form.multi_items():
            match = _INDEXED.fullmatch(name)
            if match and isinstance(value, UploadFile):
                contents[int(match[1])] = value
            elif match and isinstance(value, str):
                paths[int(match[1])] = value
        stored, errors = [], []
        for number, content in contents.items():
            path = absolute(paths.get(number) or content.filename or "")
            try:
                stored.append({"path": path, "bytes": await _store(jail, path, content)})
            except Problem as problem:
                errors.append(problem.message)
    answer = {"files": stored} | ({"errors": errors} if errors else {})
    return reply(request, "UploadFilesResponse", answer, 400 if errors else 200)


async def upload(request: Request) -> Response:
    """Store one file."""
    _, jail = reach(request)
    path = _path(request)
    async with request.form() as form:
        content = form.get("file")
        if not isinstance(content, UploadFile):
            raise Problem(400, "the part `file` is missing", "BAD_REQUEST", "DAYTONA_DAEMON")
        await _store(jail, path, content)
    return reply(request, "UploadedFile", {"name": PurePosixPath(path).name, "path": path, "type": "file"})


async def _store(jail: Jail, path: str, content: UploadFile) -> int:
    _, (descriptor,) = await _ask(jail, "open", path, flags=_WRITE, parents=True)
    size = 0
    try:
        while chunk := await content.read(_CHUNK):
            await anyio.to_thread.run_sync(os.write, descriptor, chunk)
            size += len(chunk)
    finally:
        os.close(descriptor)
    return size


async def download(request: Request) -> Response:
    """Send one file as it is."""
    _, jail = reach(request)
    found, (descriptor,) = await _ask(jail, "open", _path(request), flags=os.O_RDONLY)
    headers = {"Content-Length": str(found["size"])}
    return StreamingResponse(_chunks(descriptor, found["size"]), 200, headers, "application/octet-stream")


async def bulk_download(request: Request) -> Response:
    """Send many files in one multipart body; what cannot be read is a part named ``error``."""
    _, jail = reach(request)
    asked = await strict.body(request, strict.DOWNLOAD, "paths", source="DAYTONA_DAEMON")
    if not asked["paths"]:
        raise Problem(400, "paths is empty", "BAD_REQUEST", "DAYTONA_DAEMON")
    boundary = uuid.uuid4().hex
    parts = _parts(jail, asked["paths"], boundary, plain=request.app.state.settings.old_daemon)
    return StreamingResponse(parts, media_type=f"multipart/form-data; boundary={boundary}")


async def _parts(jail: Jail, paths: list[str], boundary: str, *, plain: bool) -> AsyncIterator[bytes]:
    for path in paths:
        try:
            found, (descriptor,) = await _ask(jail, "open", absolute(path), flags=os.O_RDONLY)
        except Problem as problem:
            yield error_part(boundary, path, problem, plain=plain)
            continue
        yield file_head(boundary, path, found["size"])
        async for chunk in _chunks(descriptor, found["size"]):
            yield chunk
        yield b"\r\n"
    yield close_delimiter(boundary)


async def _chunks(descriptor: int, size: int) -> AsyncIterator[bytes]:
    """Read as many bytes as there were when the file was opened."""
    try:
        while size > 0 and (chunk := await anyio.to_thread.run_sync(os.read, descriptor, min(_CHUNK, size))):
            size -= len(chunk)
            yield chunk
    finally:
        os.close(descriptor)


ROUTES = [
    Route("/files", listing, methods=["GET"]),
    Route("/files", delete, methods=["DELETE"]),
    Route("/files/info", info, methods=["GET"]),
    Route("/files/folder", make_folder, methods=["POST"]),
    Route("/files/move", move, methods=["POST"]),
    Route("/files/permissions", permissions, methods=["POST"]),
    Route("/files/download", download, methods=["GET"]),
    Route("/files/bulk-download", bulk_download, methods=["POST"]),
    Route("/files/upload-v2", upload, methods=["POST"]),
    Route("/files/bulk-upload", bulk_upload, methods=["POST"]),
]
