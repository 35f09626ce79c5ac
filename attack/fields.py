"""Put tricks into every field of every endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from attack.arena import Arena
from attack.requests import JSON, MAY_WORK, RequestAttack, Sent, filled, tricks
from attack.target import Answer, form

_ODD: tuple[object, ...] = (
    None, True, 0, -1, 1e308, 2**70, [], {}, [[]], {"a": {}}, "x" * 70000, "\x00", "\udcff", ["a", 1], [None],
)  # fmt: skip
_BROKEN = Answer(500, {}, b"a name led out of the workspace")
_PATHS = (
    "GET /files/@TRICK@", "GET /files/@TRICK@?detail=full", "GET /sessions/@TRICK@/objects/@FILE@",
    "GET /sessions/@SESSION@/objects/@TRICK@", "GET /download/@TRICK@/@FILE@", "GET /download/@SESSION@/@TRICK@",
    "DELETE /files/@TRICK@/@FILE@", "DELETE /files/@SESSION@/@TRICK@", "DELETE /sessions/@TRICK@/objects/@FILE@",
    "DELETE /sessions/@SESSION@/objects/@TRICK@",
)  # fmt: skip
_EXEC = ("lang", "code", "args", "files", "session_id", "user_id", "runtime_session_hint", "timeout", "entity_id")
_REF = ("id", "session_id", "storage_session_id", "name", "kind", "resource_id", "version")
_UPLOAD = ("filename", "session_id", "entity_id", "kind", "id", "version", "read_only")
_PROGRAMMATIC = ("code", "tools", "lang", "session_id", "files", "continuation_token")
_FIND = "find / -xdev -newer /proc/1/cmdline -name '*@MARK@*' -not -path '/mnt/data/*' 2> /dev/null | head -3"


def load() -> Iterator[RequestAttack]:
    """Return one attack for each field."""
    ids = "A path is a pair of ids: anything else is 400 or 404, and no file of the host or of the store."
    yield from (RequestAttack(path, ids, _PathField(path)) for path in _PATHS)
    detail = "GET /files/@SESSION@?detail=@TRICK@"
    yield RequestAttack(
        "GET /files/…?detail=@TRICK@", "An unknown detail is the usual one.", _PathField(detail), MAY_WORK
    )
    checked = "Each field is checked or is data; a bad one is 400, never 500."
    yield from (RequestAttack(f"/exec: {name}", checked, _ExecField(name), MAY_WORK) for name in _EXEC)
    placed = "A reference names a file by ids and places it in the workspace, or is skipped."
    yield from (RequestAttack(f"/exec: files[].{name}", placed, _RefField(name), MAY_WORK) for name in _REF)
    read_back = "Names are data, never paths; what is taken can be read back."
    for route in ("/upload", "/upload/batch"):
        for name in _UPLOAD:
            yield RequestAttack(f"{route}: {name}", read_back, _UploadField(route, name), MAY_WORK)
    tools = "The same for tools called from code."
    for name in _PROGRAMMATIC:
        yield RequestAttack(f"/exec/programmatic: {name}", tools, _ProgrammaticField(name), MAY_WORK)
    for name, values in tricks()["headers"].items():
        yield RequestAttack(f"header {name}", "Headers give no rights and break nothing.", _Header(name, values))


class _PathField:
    """Put each trick where the template has ``@TRICK@``, with and without ``/v1``."""

    def __init__(self, template: str) -> None:
        self._method, self._template = template.split(" ", 1)

    def __call__(self, arena: Arena) -> Sent:
        for trick in filled(arena, tricks()["paths"]):
            for prefix in ("", "/v1"):
                path = prefix + arena.fill(self._template).replace("@TRICK@", trick)
                yield path, arena.target.call(self._method, path)


class _ExecField:
    """Put each trick, and values of every wrong type, into a field of ``/exec``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, arena: Arena) -> Sent:
        values: list[object] = [*filled(arena, tricks()["names"]), *_ODD]
        for value in values[:: 3 if arena.is_quick else 1]:
            body = {"lang": "bash", "code": "true", "timeout": 5000, self._name: value}
            yield repr(value), arena.target.call("POST", "/exec", json.dumps(body).encode(), JSON)


class _RefField:
    """Put tricks into a field of a file reference; what a program then sees lies in its workspace alone."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, arena: Arena) -> Sent:
        uploaded = arena.target.upload({"mine.txt": b"mine"})
        whole = {"id": uploaded["files"][0]["fileId"], "session_id": uploaded["session_id"], "name": "mine.txt"}
        values: list[object] = [*filled(arena, tricks()["names"]), None, 1, [], {}]
        for start in range(0, len(values), 12):
            files = [{**whole, self._name: value} for value in values[start : start + 12]]
            body = {"lang": "bash", "code": arena.fill(_FIND), "files": files, "timeout": 9000}
            answer = arena.target.call("POST", "/exec", json.dumps(body).encode(), JSON)
            yield f"{self._name} {start}", _BROKEN if answer.status == 200 and answer.json()["stdout"] else answer


class _UploadField:
    """Put tricks into a field of an upload, or into the file's name; what is taken is then read back."""

    def __init__(self, route: str, name: str) -> None:
        self._route = route
        self._name = name

    def __call__(self, arena: Arena) -> Sent:
        for trick in filled(arena, tricks()["names"]):
            is_name = self._name == "filename"
            body, kind = form({trick if is_name else "ok.txt": b"x"}, **({} if is_name else {self._name: trick}))
            answer = arena.target.call("POST", self._route, body, {"Content-Type": kind})
            yield trick, answer
            if answer.status == 200:
                yield from _read_back(arena, trick, answer)


def _read_back(arena: Arena, trick: str, uploaded: Answer) -> Sent:
    told = uploaded.json()
    listed = arena.target.call("GET", f"/files/{told['session_id']}")
    names = [item["filename"].split("/") for item in listed.json()] if listed.status == 200 else []
    yield f"listing of {trick}", _BROKEN if any(".." in name or "" in name for name in names) else listed
    for item in told["files"]:
        if "fileId" in item:
            yield f"download of {trick}", arena.target.call("GET", f"/download/{told['session_id']}/{item['fileId']}")


class _ProgrammaticField:
    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, arena: Arena) -> Sent:
        values: list[object] = [*filled(arena, tricks()["names"])[:12], None, 1, [], {}, [[]], "x" * 5000]
        is_later = self._name == "continuation_token"
        first = {"tool_results": []} if is_later else {"code": "print(1)", "tools": []}
        for value in values[:: 2 if arena.is_quick else 1]:
            body = json.dumps({**first, self._name: value}).encode()
            yield repr(value)[:60], arena.target.call("POST", "/exec/programmatic", body, JSON)
            if is_later:
                cancel = json.dumps({"request_id": value}).encode()
                yield f"cancel {value!r}"[:60], arena.target.call("POST", "/exec/programmatic/cancel", cancel, JSON)


class _Header:
    def __init__(self, name: str, values: Iterable[str]) -> None:
        self._name = name
        self._values = list(values)

    def __call__(self, arena: Arena) -> Sent:
        for value in filled(arena, self._values):
            yield value, arena.target.call("GET", "/files/" + "A" * 21, None, {self._name: value})
