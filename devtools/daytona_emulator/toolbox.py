"""The toolbox of a started sandbox: commands and where things are. Files have a module of their own."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from devtools.daytona_emulator import shell, strict
from devtools.daytona_emulator.box import DAEMON_VERSION, Box
from devtools.daytona_emulator.errors import Problem
from devtools.daytona_emulator.fleet import Fleet
from devtools.daytona_emulator.jail import HOME, Jail, JailGone
from devtools.daytona_emulator.replies import reply
from devtools.daytona_emulator.settings import Settings

_INTERPRETERS = {"python": ["python3", "-u", "-c"], "javascript": ["node", "-e"], "typescript": ["bun", "-e"]}


def reach(request: Request) -> tuple[Box, Jail]:
    """Return the started sandbox that a request is for; to use it is activity. Raises ``Problem`` of the proxy."""
    fleet: Fleet = request.app.state.fleet
    settings: Settings = request.app.state.settings
    box = fleet.boxes.get(request.path_params["sandbox"])
    if box is None:
        raise Problem(settings.gone_status, "no such sandbox, or not yours", source="DAYTONA_PROXY")
    if box.jail is None or box.state != "started":
        raise Problem(settings.stopped_status, f"the sandbox is not started: {box.state}", source="DAYTONA_PROXY")
    box.active = time.time()
    return box, box.jail


async def execute(request: Request) -> Response:
    """Run a shell command."""
    asked = await strict.body(request, strict.EXECUTE, "command", source="DAYTONA_DAEMON")
    settings: Settings = request.app.state.settings
    if not asked["command"].strip():
        raise Problem(400, "the command is empty", "BAD_REQUEST", "DAYTONA_DAEMON")
    stdin = asked["command"].encode() + b"\n"
    outcome = await _run(request, [settings.shell], stdin, asked)
    return reply(request, "ExecuteResponse", {"exitCode": outcome.code, "result": outcome.output})


async def code_run(request: Request) -> Response:
    """Run a program with an interpreter; its outputs are merged, too."""
    asked = await strict.body(request, strict.CODE_RUN, "code", "language", source="DAYTONA_DAEMON")
    interpreter = _INTERPRETERS.get(asked["language"])
    if interpreter is None:
        raise Problem(400, f"no interpreter for {asked['language']}", "BAD_REQUEST", "DAYTONA_DAEMON")
    outcome = await _run(request, [*interpreter, asked["code"], *asked.get("argv", [])], b"", asked)
    content = {"exitCode": outcome.code, "result": outcome.output, "artifacts": {"charts": []}}
    return reply(request, "CodeRunResponse", content)


async def _run(request: Request, argv: list[str], stdin: bytes, asked: dict[str, Any]) -> shell.Outcome:
    box, jail = reach(request)
    settings: Settings = request.app.state.settings
    env = {**box.wanted.get("env", {}), **asked.get("envs", {})}
    command = shell.Command(
        argv, stdin, asked.get("cwd") or HOME, env, asked.get("timeout") or None, settings.stdin_bytes_per_second
    )
    box.running += 1
    try:
        return await shell.run(jail, command)
    except shell.TimedOut as error:
        raise Problem(408, "the command timed out", "PROCESS_EXECUTION_TIMEOUT", "DAYTONA_DAEMON") from error
    except JailGone as error:
        raise Problem(502, f"the sandbox does not answer: {error}", source="DAYTONA_PROXY") from error
    finally:
        box.running -= 1


async def home(request: Request) -> Response:
    """Return the home directory, in which commands start."""
    reach(request)
    model = "UserHomeDirResponse" if request.url.path.endswith("home-dir") else "WorkDirResponse"
    return reply(request, model, {"dir": HOME})


async def version(request: Request) -> Response:
    """Return the daemon's version."""
    reach(request)
    return Response(f'{{"version": "{DAEMON_VERSION}"}}', media_type="application/json")


ROUTES = [
    Route("/process/execute", execute, methods=["POST"]),
    Route("/process/code-run", code_run, methods=["POST"]),
    Route("/user-home-dir", home, methods=["GET"]),
    Route("/work-dir", home, methods=["GET"]),
    Route("/version", version, methods=["GET"]),
]
