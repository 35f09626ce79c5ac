"""Regression tests for forged and broken runner messages."""

from __future__ import annotations

import asyncio
import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from librechat_code_interpreter.core import outputs
from librechat_code_interpreter.core.inputs import Inputs
from librechat_code_interpreter.core.untrusted import parse_reply
from librechat_code_interpreter.engines.local.sandbox import exchange
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Call, ChangedFile, Pause, Reply
from librechat_code_interpreter.runner.serve import HEADER, REPLY, STARTED
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.fuzz import frames


@pytest.mark.parametrize(
    "forged",
    [
        {}, {"ending": "won"}, {"stdout": 5}, {"code": 10**30}, {"stderr": "\ud800"}, {"wall_seconds": float("nan")},
        {"changed": None}, {"changed": [{}]}, {"changed": [{"path": "x", "size": "1"}]}, {"deleted": [1]},
        {"code": True},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_forged_reply_was_a_failure_of_the_service(forged: dict[str, Any]) -> None:
    """A field that is missing, mistyped, or unfit for an answer makes the reply invalid, and the run lost."""
    body = {"ending": "ok", **forged} if forged else forged
    for data in (body, json.dumps(body).encode()):
        with pytest.raises(ValueError):
            parse_reply(Reply, data)
    answer = {"reply": body, "layout": {}}
    lost = await frames.daytona_sandbox(answer).exchange(frames.REQUEST)
    assert lost.ending is Ending.LOST


def test_a_forged_pause_with_endless_arguments_was_a_failure_of_the_service() -> None:
    """Arguments nested beyond what JSON's writer can follow are no tool call."""
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(ValueError):
        parse_reply(Pause, {"number": 1, "calls": [{"id": "call_001", "name": "x", "input": deep}]})


@pytest.mark.parametrize("value", ["\ud800", 2**70, [1.5, None]])
def test_arguments_of_a_tool_call_are_not_changed(value: Any) -> None:
    """JSON carries lone surrogates and large integers, and a program may pass them to a tool."""
    pause = Pause(1, [Call("call_001", "x", {"a": value})])
    assert parse_reply(Pause, pause.to_json()) == parse_reply(Pause, json.dumps(pause.to_json()).encode()) == pause


def test_a_forged_pause_with_infinite_arguments_was_invalid_json_for_the_client() -> None:
    """NaN and infinity cannot be passed on, at any level."""
    body = json.dumps({"number": 1, "calls": [{"id": "call_001", "name": "x", "input": {"a": [float("nan")]}}]})
    with pytest.raises(ValueError):
        parse_reply(Pause, body.encode())


@pytest.mark.parametrize("data", [b"", b"\xff", b"null", b"[" * 100_000, b'{"ending":' * 3000, b"9" * 5000], ids=len)
def test_what_is_no_json_object_is_no_reply(data: bytes) -> None:
    """Bytes that no parser accepts raise ``ValueError`` only."""
    with pytest.raises(ValueError):
        parse_reply(Reply, data)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a\0b", "a//b", "", "a\\b", "x" * 300])
async def test_a_forged_name_was_recorded_as_a_files(path: str) -> None:
    """K11: a file with an invalid name is reported as not delivered, and not stored."""
    store, sandbox = SessionStore(open_blobs("memory://")), SimpleNamespace()
    unread: Any = sandbox
    reply = Reply(Ending.OK, changed=[ChangedFile(path, 1, "eA==")])
    delivery = await outputs.collect(store, unread, "s" * 21, Inputs(), reply)
    assert delivery.outputs == [] and len(delivery.failed) == 1


async def test_a_reply_of_endless_length_was_waited_for() -> None:
    """A length over any valid reply ends the run at once, not after its time and memory."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        jail: Any = SimpleNamespace(wire=ours, group=None, ran_out_of_memory=lambda: False)
        theirs.sendall(STARTED + REPLY + HEADER.pack(1 << 62))
        answer = await asyncio.wait_for(exchange(jail, None, frames.REQUEST), frames.WITHIN_SECONDS)
    assert isinstance(answer, Reply) and answer.ending is Ending.LOST
