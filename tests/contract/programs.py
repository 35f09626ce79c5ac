"""Runs of programs that call tools, with their calls answered as LibreChat's clients do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.contract.caller import Caller, Json

PATH = "/exec/programmatic"
ECHO: Json = {"name": "echo", "description": "Give back what comes in."}
LIBRECHAT = {"User-Agent": "LibreChat/1.0"}

Tool = Callable[[Json], Any]


def tools(*names: str) -> list[Json]:
    """Describe tools by nothing but their names."""
    return [{"name": name} for name in names]


def answered(paused: Json, tool: Tool = lambda given: given) -> list[Json]:
    """Answer every waiting call; a tool that raises has failed."""
    return [{"call_id": call["id"], **_result(tool, call["input"])} for call in paused["tool_calls"]]


def _result(tool: Tool, given: Json) -> Json:
    try:
        return {"result": tool(given), "is_error": False}
    except ToolFailed as error:
        return {"result": None, "is_error": True, "error_message": str(error)}


class ToolFailed(Exception):
    """A tool of the client failed."""


@dataclass
class Played:
    """Results of a program: every pause, and the end."""

    pauses: list[Json] = field(default_factory=list)
    end: Json = field(default_factory=dict)

    @property
    def calls(self) -> list[list[Json]]:
        """Return the calls of each pause."""
        return [pause["tool_calls"] for pause in self.pauses]


async def post(caller: Caller, body: Json, **headers: str) -> httpx.Response:
    """Send a request; the body may contain characters that only JSON escapes can carry."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Type": "application/json"}
    return await caller.http.post(PATH, content=json.dumps(body), headers=headers)


async def begin(caller: Caller, code: str, offered: list[Json] | None = None, **body: Any) -> Json:
    """Start a program and give the first reply."""
    answer = await post(caller, {"code": code, "tools": [ECHO] if offered is None else offered, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def resume(caller: Caller, paused: Json, tool: Tool = lambda given: given) -> Json:
    """Answer a pause and give the next reply."""
    answer = await send(caller, paused["continuation_token"], answered(paused, tool))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def send(caller: Caller, token: Any, results: Any, **headers: str) -> httpx.Response:
    """Send results, valid or not."""
    return await post(caller, {"continuation_token": token, "tool_results": results}, **headers)


async def play(
    caller: Caller, code: str, offered: list[Json] | None = None, tool: Tool = lambda given: given, **body: Any
) -> Played:
    """Run a program to its end."""
    played = Played()
    reply = await begin(caller, code, offered, **body)
    while reply["status"] == "tool_call_required":
        played.pauses.append(reply)
        reply = await resume(caller, reply, tool)
    played.end = reply
    return played


async def output(caller: Caller, code: str, offered: list[Json] | None = None, **more: Any) -> str:
    """Run a program that completes with empty stderr; return what it printed."""
    end = (await play(caller, code, offered, **more)).end
    assert (end["status"], end["stderr"]) == ("completed", ""), end
    return str(end["stdout"])
