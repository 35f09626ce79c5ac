"""Send broken multipart bodies to the application, and check what it stores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

from starlette.types import Message

from librechat_code_interpreter.core.protocols import Engine
from tests.contract.service import API_KEY, Service
from tests.fuzz.mutations import cut, mutated

BOUNDARY = b"----b0undary"
FINE = frozenset({200, 400, 404, 413, 499})
TOKENS = (
    b"--" + BOUNDARY, b"--" + BOUNDARY + b"--", b"\r\n--" + BOUNDARY + b"\r\n", b"\r\n", b"\n", b"\r", b"--", b"-",
    b"\r\n\r\n", b'Content-Disposition: form-data; name="file"; filename="b.txt"\r\n', b"Content-Disposition: ",
    b'filename="', b"filename*=UTF-8''%ff", b'"', b"%22", b";", b"=", b":", b"\0", b"\xff\xfe", "ü".encode(),
    b"name=session_id", b"Content-Type: text/html\r\n", b"Content-Transfer-Encoding: base64\r\n", b"../../", b"/",
    b'name="kind"\r\n\r\nskill', b"\\", b"a" * 600, b"a" * 20_000,
)  # fmt: skip


class NoEngine:
    """An engine that is never used: uploads need none (K37)."""

    name = "none"
    warnings: tuple[str, ...] = ()

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        return 0


def no_engine() -> Engine:
    """Return it with the protocol's type."""
    stand_in: Any = NoEngine()
    return stand_in  # type: ignore[no-any-return]


def whole(random: Random) -> bytes:
    """Write a valid body: text fields, then one to three files."""
    files = [
        (f"{name}.txt", random.randbytes(random.choice((0, 1, 40, 3000)))) for name in "abc"[: random.randint(1, 3)]
    ]
    parts = [b'Content-Disposition: form-data; name="kind"\r\n\r\nuser']
    parts += [
        b'Content-Disposition: form-data; name="file"; filename="%b"\r\nContent-Type: text/plain\r\n\r\n%b'
        % (name.encode(), content)
        for name, content in files
    ]
    return b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY, part) for part in parts) + b"--%b--\r\n" % BOUNDARY


async def trouble(service: Service, route: str, random: Random) -> str | None:
    """Send one broken body; return what was wrong with the result."""
    body = mutated(whole(random), TOKENS, random)
    leaves = random.random() < 0.1
    before = service.stored()
    status, answer = await _call(service, route, cut(body, random), leaves=leaves)
    kept = service.stored() - before
    try:
        return _judged(service, body, status, answer, kept, leaves=leaves)
    finally:
        for name in kept:
            (service.store / name).unlink()


def _judged(service: Service, body: bytes, status: int, answer: bytes, kept: set[str], *, leaves: bool) -> str | None:
    """Return what is wrong with an answer, or with what the store has kept."""
    if status not in FINE:
        return f"{status} {answer!r}"
    if status != 200:
        return f"{status}, but {sorted(kept)} stayed" if kept else None
    if leaves:
        return "200 to a client that left"
    told = json.loads(answer)
    stored = [item for item in told["files"] if item.get("status") != "error"]
    files = {name for name in kept if name.startswith("files/")}
    if len(files) != len(stored) or len(kept) != len(stored) + 1:
        return f"{len(stored)} files were told, {sorted(kept)} stored"
    contents = [(service.store / name).read_bytes() for name in files]
    partial = [content for content in contents if not _is_whole(content, body)]
    return f"not whole: {partial!r} of {body!r}" if partial else None


def _is_whole(content: bytes, body: bytes) -> bool:
    """Return whether the body holds this content between the end of a part's head and the next delimiter."""
    ends = (b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n")
    return any(end + content + b"\r\n--" + BOUNDARY in body for end in ends)


async def _call(service: Service, route: str, pieces: Sequence[bytes], *, leaves: bool) -> tuple[int, bytes]:
    """Hand the pieces to the application as a server does; a client may leave after the last."""
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    end: Message = {"type": "http.disconnect"} if leaves else {"type": "http.request", "body": b"", "more_body": False}
    messages.append(end)
    answers: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answers.append(message)

    kind = b"multipart/form-data; boundary=" + BOUNDARY
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": route, "raw_path": route.encode(),
        "query_string": b"", "root_path": "", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("x", 80),
        "headers": [(b"content-type", kind), (b"x-api-key", API_KEY.encode())], "state": {},
    }  # fmt: skip
    await service.app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in answers[1:])
    return answers[0]["status"], body
