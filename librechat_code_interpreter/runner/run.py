"""Steps of one run: scan, write the source, compile, run, stop, scan again, reply."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator

from librechat_code_interpreter.runner import process, shelltools, workspace_diff
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.fork_server import ForkServer
from librechat_code_interpreter.runner.messages import MEMORY, Reply, Request
from librechat_code_interpreter.runner.source_file import Source, place
from librechat_code_interpreter.runner.spawn import Body, Command, PreparedProcess, Process, set_oom_score, spawn
from librechat_code_interpreter.runner.supervise import Stream, Supervised, watch
from librechat_code_interpreter.runner.toolcalls import Link, ToolCalls
from librechat_code_interpreter.runner.warm_python import ToolOffer, WarmProgram


def run(
    request: Request,
    oom: int | None = None,
    announce: Callable[[], None] = lambda: None,
    link: Link | None = None,
    ahead: PreparedProcess | None = None,
    *,
    serves_forks: bool = False,
) -> Reply:
    """Run the program and return the reply; ``oom`` is a descriptor of the runner's ``oom_score_adj``, if available.

    ``announce`` is called right before the program may have effects. A request with tools needs a ``link``. ``ahead``,
    a process created in advance, is used for the first step if its directory is the workspace. With ``serves_forks``,
    Python programs that the program starts run as forks of this process (``fork_server``).
    """
    started = time.monotonic()
    limits = request.limits
    seen = Supervised(Stream("stdout", limits.stdout_bytes), Stream("stderr", limits.stderr_bytes))
    workspace_diff.remove(request.workspace, request.remove)
    before = workspace_diff.scan(request.workspace)
    source = place(request)
    missing = _missing_tool(request)
    if missing:
        seen.status = 127 << 8
        seen.stderr.say(
            f"The language '{request.program.language}' is not installed in this sandbox: {missing} is missing."
        )
    else:
        starts = _Starts(request, oom, ahead, serves_forks=serves_forks)
        announce()
        if link is None or request.tools is None:
            _run_steps(request, source, seen, started + limits.wall_seconds, starts)
        else:
            _run_with_tools(request, source, seen, started + limits.wall_seconds, starts, link)
    source.take_away()
    found = workspace_diff.changes(request.workspace, before, limits)
    reply = _reply(seen, time.monotonic() - started)
    reply.changed, reply.deleted, reply.left_out = found.changed, found.deleted, found.left_out
    reply.stderr = source.renamed(reply.stderr)
    reply.nonce = request.nonce
    return reply


def _missing_tool(request: Request) -> str | None:
    """Return the first program of the command lines that is not installed."""
    path = request.env.get("PATH")
    for argv in (request.program.compile, request.program.run):
        if argv and "{" not in argv[0] and shutil.which(argv[0], path=path) is None:
            return argv[0]
    return None


class _Starts:
    """Starter for the steps of a run; the first step uses the process created in advance, if there is one."""

    def __init__(self, request: Request, oom: int | None, ahead: PreparedProcess | None, *, serves_forks: bool) -> None:
        self._request = request
        self._oom = oom
        self._serves_forks = serves_forks
        self._ahead = ahead if ahead is not None and ahead.directory == request.workspace else None

    def __call__(self, body: Body) -> Process:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            return ahead.start(body, self._request.limits)
        return spawn(body, self._request.limits, self._request.workspace, self._oom)

    def fork_server(self) -> ForkServer | None:
        """Return a fork server for one step."""
        if not self._serves_forks:
            return None
        return ForkServer(self._request.env, lambda is_victim: set_oom_score(self._oom, is_victim=is_victim))


def _run_steps(request: Request, source: Source, seen: Supervised, deadline: float, start: _Starts) -> None:
    """Compile, if the language needs it, then run; a failed step is the last."""
    process.adopt_orphans()
    for body in _steps(request, source):
        fork_server = start.fork_server()
        started = start(body)
        try:
            watch(started, seen, request.limits, deadline, fork_server=fork_server)
        finally:
            started.close()
        if seen.stopped or seen.status:
            return


def _run_with_tools(
    request: Request, source: Source, seen: Supervised, deadline: float, start: _Starts, link: Link
) -> None:
    """Run a program that may pause; the languages that support tools have no compile step."""
    process.adopt_orphans()
    tool_calls = ToolCalls(request, link)
    fork_server = start.fork_server()
    started = start(_body_with_tools(request, source, tool_calls.channel.path))
    try:
        watch(started, seen, request.limits, deadline, tool_calls, fork_server)
        for line in tool_calls.unseen_failures(seen.stderr.data):
            seen.stderr.say(line)
    finally:
        started.close()
        tool_calls.close()


def _body_with_tools(request: Request, source: Source, directory: str) -> Body:
    program, tools = request.program, request.tools or []
    if program.place == "warm":
        return WarmProgram(
            program.source, source.shown, source.path, program.args, request.env, ToolOffer(directory, tools)
        )
    env = request.env | {"BASH_ENV": shelltools.write(directory, [tool.function for tool in tools])}
    return Command([part.format(source=source.path) for part in program.run], env)


def _steps(request: Request, source: Source) -> Iterator[Body]:
    program = request.program
    if program.place == "warm":
        yield WarmProgram(program.source, source.shown, source.path, program.args, request.env)
        return
    memory = request.limits.memory_bytes or request.env.get(MEMORY)
    names = {"source": source.path, "scratch": request.scratch, "workspace": request.workspace, "memory": memory}
    compiling, running = (
        [part.format(**names) for part in parts if memory or "{memory}" not in part]
        for parts in (program.compile, program.run)
    )
    if compiling:
        yield Command(compiling, request.env)
    yield Command([*running, *program.args], request.env)


def _reply(seen: Supervised, wall_seconds: float) -> Reply:
    reply = _ending(seen)
    reply.overflowed = next((stream.name for stream in (seen.stdout, seen.stderr) if stream.overflowed), None)
    reply.stdout, reply.stderr = seen.stdout.text, seen.stderr.text
    reply.stdout_is_utf8 = "\N{REPLACEMENT CHARACTER}" not in reply.stdout or seen.stdout.is_utf8
    reply.wall_seconds = wall_seconds
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    reply.cpu_seconds, reply.peak_memory_bytes = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    return reply


def _ending(seen: Supervised) -> Reply:
    if seen.stopped is not None:
        return Reply(seen.stopped, signal="SIGKILL")
    if os.WIFSIGNALED(seen.status):
        number = os.WTERMSIG(seen.status)
        ending = Ending.TIME if number == signal.SIGXCPU else Ending.SIGNAL
        return Reply(ending, code=128 + number, signal=_signal_name(number))
    code = os.WEXITSTATUS(seen.status)
    return Reply(Ending.EXIT if code else Ending.OK, code=code)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name of their own
        return f"SIG{number}"
