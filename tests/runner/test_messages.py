"""Requests and replies survive the wire, whatever the versions on both sides."""

from __future__ import annotations

import dataclasses
import json
import socket
from typing import Any

import pytest

from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import (
    Call,
    ChangedFile,
    LeftOut,
    Limits,
    Pause,
    Program,
    Reply,
    Request,
    Result,
    Results,
    Tool,
)
from librechat_code_interpreter.runner.serve import HEADER, pack, serve

REQUEST = Request(
    program=Program("print(1)\n\ud800", "main.py", "workspace", ["gcc"], ["./a"], ["x y", "ü"], language="c"),
    limits=Limits(
        wall_seconds=1.5, cpu_seconds=2, stdout_bytes=3, stderr_bytes=4, artifact_bytes=5, artifact_files=6,
        inline_file_bytes=7, inline_total_bytes=8, memory_bytes=9, tool_calls=10, tool_input_bytes=11,
        tool_inputs_bytes=13, pause_seconds=12.5,
    ),
    env={"A": "b=c"}, remove=["x/y"], workspace="/w", scratch="/s", nonce="n",
    tools=[Tool("get-it", "get_it", "Get it.", {"type": "object"})],
)  # fmt: skip
REPLY = Reply(
    Ending.SIGNAL, code=137, signal="SIGKILL", overflowed="stderr", stdout="o\0\ufffd", stderr="e", wall_seconds=1.5,
    stdout_is_utf8=False, cpu_seconds=2.5, peak_memory_bytes=3, deleted=["c"],
    changed=[ChangedFile("a", 1, "eA=="), ChangedFile("b", 2)],
    left_out=[LeftOut("d", "why", is_limit=True), LeftOut("e", "because")], nonce="n",
)  # fmt: skip

PAUSE = Pause(3, [Call("call_001", "get-it", {"a": [1, "\ud800"]})], "out", "err", "key")
RESULTS = Results(3, [Result("call_001", {"a": None}, is_error=True, error_message="no")], "key")


def over_the_wire(data: dict[str, Any]) -> Any:
    return json.loads(json.dumps(data))


def test_a_request_survives_the_wire() -> None:
    """Every field of a request, of its program and of its limits arrives."""
    assert Request.from_json(over_the_wire(REQUEST.to_json())) == REQUEST


def test_a_reply_survives_the_wire() -> None:
    """Every field of a reply arrives, the ending as an ending and the files as files."""
    received = Reply.from_json(over_the_wire(REPLY.to_json()))
    assert received == REPLY
    assert isinstance(received.ending, Ending)


def test_a_pause_and_its_results_survive_the_wire() -> None:
    """The calls of a pause, and their results, arrive unchanged."""
    assert Pause.from_json(over_the_wire(PAUSE.to_json())) == PAUSE
    assert Results.from_json(over_the_wire(RESULTS.to_json())) == RESULTS


@pytest.mark.parametrize(
    "message", [REQUEST, REQUEST.program, REQUEST.limits, REPLY, PAUSE, RESULTS], ids=lambda it: type(it).__name__
)
def test_these_tests_leave_no_field_at_its_default(message: Any) -> None:
    """A new field of a message has to be added here, or the two tests above would not see it lost."""
    for field in dataclasses.fields(message):
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        assert getattr(message, field.name) != default, field.name


@pytest.mark.parametrize("ending", Ending)
def test_every_ending_survives_the_wire(ending: Ending) -> None:
    """Every ending survives the wire."""
    assert Reply.from_json(over_the_wire(Reply(ending).to_json())).ending is ending


def test_what_a_newer_version_adds_is_ignored() -> None:
    """Unknown keys, at any level, are no error."""
    request = over_the_wire(REQUEST.to_json())
    request["new"] = request["program"]["new"] = request["limits"]["new"] = 1
    assert Request.from_json(request) == REQUEST
    reply = over_the_wire(REPLY.to_json())
    reply["new"] = reply["changed"][0]["new"] = reply["left_out"][0]["new"] = 1
    assert Reply.from_json(reply) == REPLY


def test_what_an_older_version_leaves_out_has_its_default() -> None:
    """Only the program of a request and the ending of a reply are required."""
    program = {"source": "", "filename": "main.py", "place": "warm"}
    assert Request.from_json({"program": program}) == Request(Program("", "main.py", "warm"))
    assert Reply.from_json({"ending": "ok"}) == Reply(Ending.OK)


def test_a_packed_message_begins_with_its_length() -> None:
    """Eight bytes, the most significant first."""
    assert pack(b"abc") == b"\0\0\0\0\0\0\0\x03abc"
    assert HEADER.size == 8


@pytest.mark.parametrize("sent", [b"", b"\0\0", pack(b"{}")[:-1]], ids=["nothing", "half a length", "half a request"])
def test_a_connection_that_closes_early_runs_nothing(sent: bytes) -> None:
    """A truncated request is none."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(sent)
        ours.shutdown(socket.SHUT_WR)
        serve(theirs)
        theirs.close()
        assert ours.recv(1) == b""
