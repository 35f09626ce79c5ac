"""Send forged, changed or cut frames in a runner's place, and check what the service makes of them."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import orjson

from librechat_code_interpreter.api.exec import answer_of
from librechat_code_interpreter.api.programmatic import response_of
from librechat_code_interpreter.core import outputs, paths
from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.inputs import Inputs
from librechat_code_interpreter.core.run_result import result_of
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.core.tool_pauses import PausedRun
from librechat_code_interpreter.engines.daytona import sandbox as daytona
from librechat_code_interpreter.engines.daytona.sandbox import DaytonaSandbox
from librechat_code_interpreter.engines.local.sandbox import exchange
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.files import Layout
from librechat_code_interpreter.runner.messages import (
    Call,
    ChangedFile,
    LeftOut,
    Limits,
    Pause,
    Program,
    Reply,
    Request,
)
from librechat_code_interpreter.runner.serve import PAUSE, REPLY, STARTED, pack
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.fuzz.mutations import cut, mutated

WITHIN_SECONDS = 60
REQUEST = Request(Program("", "main.py", "warm"), Limits(wall_seconds=1.0))
FORGED: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**18, 10**30, "", "x", "\ud800", "ok", "lost", "../../etc/passwd", "/etc/passwd", "a\0b",
    "a" * 5000, [], {}, [None], [[]], [{}], ["\ud800"], {"a": 1}, float("nan"), float("inf"), "====", "e",
    json.loads("[" * 900 + "]" * 900),
    [{"path": "../x", "size": 1, "content": "eA=="}], [{"path": "x", "size": 1, "content": "e"}],
    [{"path": "\ud800", "size": 1, "content": ""}], [{"path": "x", "size": -1}],
    [{"id": "call_1", "name": "\ud800", "input": {}}], [{"id": 1, "name": "x", "input": []}],
)  # fmt: skip
TOKENS = (
    b"null", b"true", b"[]", b"{}", b'"', b"\\ud800", b"\\u0000", b"NaN", b"-1", b"9" * 400,
    b"[" * 3000, b'{"a":' * 3000, b",", b":", b"\xff", STARTED, PAUSE, REPLY,
    struct.pack(">Q", 0), struct.pack(">Q", 2**64 - 1),
    struct.pack(">Q", 5), b'"ending"', b'"ok"', b'"changed"', b'"calls"',
)  # fmt: skip


def reply() -> dict[str, Any]:
    """Return a valid reply."""
    changed = [ChangedFile("out/a.txt", 1, "eA=="), ChangedFile("b.txt", 3)]
    left = [LeftOut("big", "it is too large", is_limit=True)]
    return Reply(Ending.EXIT, 1, stdout="out", stderr="err", changed=changed, deleted=["c"], left_out=left).to_json()


def pause() -> dict[str, Any]:
    """Return a valid pause."""
    return Pause(1, [Call("call_001", "get-it", {"a": [1, {"b": None}]})], "out", "err").to_json()


def said(random: Random) -> bytes:
    """Write a runner's message: with a forged value, with changed bytes, or both."""
    kind, body = random.choice(((REPLY, reply()), (PAUSE, pause())))
    if random.random() < 0.6:
        _forge(body, random)
    frame = STARTED + kind + pack(json.dumps(body).encode())
    return mutated(frame, TOKENS, random) if random.random() < 0.6 else frame


def _forge(body: dict[str, Any], random: Random) -> None:
    """Replace any value by any other, at any level, or leave one out."""
    places: list[tuple[Any, Any]] = [(body, key) for key in body]
    for key in ("changed", "calls", "left_out"):
        for item in body.get(key, []):
            places += [(item, inner) for inner in item]
    holder, key = random.choice(places)
    if random.random() < 0.2:
        del holder[key]
    else:
        holder[key] = random.choice(FORGED)


class _Jail:
    """A jail whose runner is the test."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self.group = None

    def ran_out_of_memory(self) -> bool:
        """Return ``False``: no run exceeds its memory here."""
        return False


async def trouble(store: SessionStore, random: Random) -> str | None:
    """Send one reply in a runner's place, to both engines; return what is wrong with the client's answer."""
    words = said(random)
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            await _answered(store, await _heard(words, random))
            await _answered(store, await _heard_by_daytona(random))
    except EngineUnavailable:
        return None
    except TimeoutError:
        return f"no answer to {words[:500]!r}"
    except Exception as error:  # noqa: BLE001  any other is what we look for
        return f"{type(error).__name__}: {error} after {words[:500]!r}"
    return None


async def _heard_by_daytona(random: Random) -> Reply | Pause:
    """Let the Daytona engine read a forged answer in a valid frame: the program knows the nonce."""
    answer: dict[str, Any] = random.choice(({"pause": pause()}, {"reply": reply(), "layout": Layout().to_json()}))
    _forge(answer if random.random() < 0.3 else answer.get("pause") or answer["reply"], random)
    return await daytona_sandbox(answer).begin(REQUEST)


def daytona_sandbox(answer: dict[str, Any]) -> DaytonaSandbox:
    """Make a Daytona sandbox whose runner gives this answer to whatever it is asked."""

    async def order(*_: Any, **__: Any) -> dict[str, Any]:
        return answer

    engine: Any = SimpleNamespace(calls=None, longest_run_seconds=1)
    remote: Any = SimpleNamespace(id="s", cpu=1, memory=1)
    with patch.object(daytona, "Pipe", lambda *_: SimpleNamespace(order=order)):
        return DaytonaSandbox(engine, remote, is_baked=True, expires_at=0.0)


async def _heard(words: bytes, random: Random) -> Reply | Pause:
    """Let the local engine read these bytes, in pieces, from a jail that then ends."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        jail: Any = _Jail(ours)
        saying = asyncio.create_task(_say(theirs, cut(words, random) if len(words) < 5000 else [words]))
        try:
            return await exchange(jail, None, REQUEST)
        finally:
            await end(saying)


async def _say(wire: socket.socket, pieces: list[bytes]) -> None:
    for piece in pieces:
        await asyncio.get_running_loop().sock_sendall(wire, piece)
    wire.shutdown(socket.SHUT_WR)


async def _answered(store: SessionStore, parse_reply: Reply | Pause) -> None:
    """Build the answers of both routes, and check the names of the files."""
    if isinstance(parse_reply, Pause):
        waiting = PausedRun("s" * 21, "r" * 21, "token", parse_reply.calls, parse_reply.stdout, parse_reply.stderr)
        json.dumps(response_of(waiting, shows_stderr_only=False).model_dump(exclude_none=True))
        return
    sandbox: Any = SimpleNamespace(get=_unreadable)
    delivery = await outputs.collect(store, sandbox, "s" * 21, Inputs(), parse_reply)
    assert all(paths.clean(output.file.path) == output.file.path for output in delivery.outputs)
    result = result_of("s" * 21, "py", parse_reply, Inputs(), delivery)
    orjson.dumps(answer_of(result).model_dump(exclude_none=True))
    json.dumps(response_of(result, shows_stderr_only=True).model_dump(exclude_none=True))


async def _unreadable(path: str) -> AsyncIterator[bytes]:
    if path:
        raise OSError(2, "there is no such file", path)
    yield b""
