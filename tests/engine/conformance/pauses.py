"""Conformance of engines: programs that wait for tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.protocols import Engine, Sandbox
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Call, Pause, Reply, Request, Result, Results, Tool
from tests.engine.asking import bash, content, output, paths, put, python, until, until_there
from tests.engine.conformance.base import Base, MiB
from tests.engine.conformance.leftovers import Leftovers

WEATHER = Tool(
    "get-weather",
    "get_weather",
    "Tell the weather.",
    {"type": "object", "properties": {"city": {"type": "string", "description": "Where."}}, "required": ["city"]},
)


def with_tools(request: Request, *tools: Tool) -> Request:
    """Request a run with tools; by default the weather's."""
    return replace(request, tools=list(tools) or [WEATHER])


def answers(pause: Reply | Pause, *results: Any) -> Results:
    """Answer the calls of a pause in their order."""
    assert isinstance(pause, Pause), pause
    calls = zip(pause.calls, results, strict=True)
    return Results(pause.number, [Result(call.id, result) for call, result in calls], pause.key)


def refusal(pause: Reply | Pause, message: str) -> Results:
    """Let the one call of a pause fail."""
    assert isinstance(pause, Pause), pause
    return Results(pause.number, [Result(pause.calls[0].id, None, True, message)], pause.key)


async def to_the_end(sandbox: Sandbox, request: Request, tool: Callable[[Call], Any]) -> tuple[Reply, list[list[Call]]]:
    """Answer every call by a function; return the reply, and the calls of each pause."""
    rounds: list[list[Call]] = []
    parse_reply = await sandbox.begin(request)
    while isinstance(parse_reply, Pause):
        rounds.append(parse_reply.calls)
        parse_reply = await sandbox.resume(answers(parse_reply, *map(tool, parse_reply.calls)))
    return parse_reply, rounds


def city(call: Call) -> str:
    """Return the argument of a call."""
    return str(call.input["city"])


class Pauses(Base):
    """A tool call pauses the run; the results resume it."""

    @pytest.mark.parametrize(
        "request_",
        [
            python("open('trace', 'a').write('x')\nprint(await get_weather(city='Bonn'), flush=True)\nprint('end')"),
            bash('printf x >> trace\nx=$(get_weather \'{"city": "Bonn"}\')\necho "$x"\necho end'),
        ],
        ids=["python", "bash"],
    )
    async def test_a_call_pauses_and_its_result_resumes(self, sandbox: Sandbox, request_: Request) -> None:
        """The program continues from the call with its result: earlier effects happen once."""
        pause = await sandbox.begin(with_tools(request_))
        assert isinstance(pause, Pause)
        assert pause.calls == [Call("call_001", "get-weather", {"city": "Bonn"})]
        reply = await sandbox.resume(answers(pause, "rain"))
        assert isinstance(reply, Reply)
        assert (reply.ending, reply.stdout, reply.stderr) == (Ending.OK, "rain\nend\n", "")
        assert paths(reply) == ["trace"]
        assert await content(sandbox, "trace") == b"x"

    @pytest.mark.parametrize(
        "request_",
        [
            python("print(await asyncio.gather(*(get_weather(city=str(n)) for n in range(50))))"),
            python(
                "from threading import Thread\n"
                "threads = [Thread(target=lambda n=n: asyncio.run(get_weather(city=str(n)))) for n in range(20)]\n"
                "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
            ),
            bash('for n in {0..11}; do get_weather "{\\"city\\": \\"$n\\"}" > $n & done; wait'),
        ],
        ids=["gather", "threads", "jobs"],
    )
    async def test_calls_that_wait_together_come_together(self, sandbox: Sandbox, request_: Request) -> None:
        """Concurrent calls are one pause, however many."""
        reply, rounds = await to_the_end(sandbox, with_tools(request_), city)
        assert reply.ending == Ending.OK, reply
        assert len(rounds) == 1
        assert sorted(map(city, rounds[0]), key=int) == [str(n) for n in range(len(rounds[0]))]
        assert len(rounds[0]) in (12, 20, 50)

    async def test_results_are_what_the_tool_gave(self, sandbox: Sandbox) -> None:
        """Nested values, unusual characters and a megabyte arrive unchanged."""
        values = [None, True, 1.5, "ü\n\0\U0001f600", {"a": [1, {"b": None}], "ü": ""}, "x" * MiB]
        program = (
            "for n in range(6):\n    x = await get_weather(city=str(n))\n    print(type(x).__name__, len(repr(x)))"
        )
        reply, rounds = await to_the_end(sandbox, with_tools(python(program)), lambda call: values[int(city(call))])
        assert reply.stdout.split("\n") == [*(f"{type(v).__name__} {len(repr(v))}" for v in values), ""]
        assert len(rounds) == 6

    async def test_a_shell_gets_text_or_compact_json(self, sandbox: Sandbox) -> None:
        """A string is printed as it is, everything else as JSON on one line."""
        values = ["two\nlines", {"a": [1, "ü"]}, 7, "x" * MiB]
        program = 'for n in 0 1 2; do get_weather "{\\"city\\": \\"$n\\"}"; done; get_weather \'{"city":"3"}\' | wc -c'
        reply, _ = await to_the_end(sandbox, with_tools(bash(program)), lambda call: values[int(city(call))])
        assert reply.stdout.split() == ["two", "lines", '{"a":[1,"ü"]}', "7", str(MiB + 1)], reply.stderr

    @pytest.mark.parametrize(
        "request_",
        [
            python("try:\n    await get_weather(city='x')\nexcept ToolExecutionError as e:\n    print('no:', e)"),
            bash("set -euo pipefail\nget_weather '{\"city\":\"x\"}' 2> why || echo no: $(cat why)"),
        ],
        ids=["python", "bash"],
    )  # fmt: skip
    async def test_a_tool_that_fails_can_be_handled(self, sandbox: Sandbox, request_: Request) -> None:
        """Python gets an exception, a shell an exit code and the message on stderr."""
        reply = await sandbox.resume(refusal(await sandbox.begin(with_tools(request_)), "it rains"))
        assert isinstance(reply, Reply)
        assert (reply.ending, reply.stdout) == (Ending.OK, "no: it rains\n"), reply.stderr

    async def test_a_failed_tool_shows_where_it_was_called(self, sandbox: Sandbox) -> None:
        """The traceback of an unhandled error has the program's lines, and none of the service's."""
        program = "async def ask():\n    return await get_weather(city='x')\nawait ask()"
        reply = await sandbox.resume(refusal(await sandbox.begin(with_tools(python(program))), "it rains"))
        assert isinstance(reply, Reply)
        assert reply.ending == Ending.EXIT
        assert "pythontools" not in reply.stderr
        assert [line.split(",")[1] for line in reply.stderr.splitlines() if "main.py" in line] == [" line 3", " line 2"]
        assert reply.stderr.endswith("ToolExecutionError: it rains\n")

    async def test_waiting_does_not_count(self, sandbox: Sandbox) -> None:
        """Only computing between two answers counts against the time limit."""
        program = "for n in range(2):\n    await get_weather(city='x')\nprint('well', flush=True)\nwhile True: pass"
        pause = await sandbox.begin(with_tools(python(program, wall_seconds=1.0)))
        await asyncio.sleep(1.5)
        pause = await sandbox.resume(answers(pause, 1))
        reply = await sandbox.resume(answers(pause, 1))
        assert isinstance(reply, Reply)
        assert (reply.ending, reply.stdout) == (Ending.TIME, "well\n")

    async def test_what_was_printed_comes_with_the_pause(self, sandbox: Sandbox) -> None:
        """A pause shows the output so far."""
        program = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nawait get_weather(city='x')"
        pause = await sandbox.begin(with_tools(python(program)))
        assert isinstance(pause, Pause)
        assert (pause.stdout, pause.stderr) == ("out\n", "err\n")

    async def test_results_are_taken_once(self, sandbox: Sandbox) -> None:
        """Results for an old or unknown pause are dropped, and the program does not receive them."""
        first = await sandbox.begin(with_tools(python("print([await get_weather(city='x') for _ in range(2)])")))
        second = await sandbox.resume(answers(first, "a"))
        with pytest.raises(EngineUnavailable):
            await sandbox.resume(answers(first, "again"))
        reply = await sandbox.resume(answers(second, "b"))
        assert isinstance(reply, Reply)
        assert reply.stdout == "['a', 'b']\n"
        with pytest.raises(EngineUnavailable):
            await sandbox.resume(answers(second, "b"))

    async def test_a_program_without_calls_just_runs(self, sandbox: Sandbox) -> None:
        """A program that may call tools and does not ends like any other."""
        reply = await sandbox.begin(with_tools(python("print(1)")))
        assert isinstance(reply, Reply)
        assert (reply.ending, reply.stdout) == (Ending.OK, "1\n")

    async def test_files_are_read_while_a_program_waits(self, sandbox: Sandbox) -> None:
        """The workspace can be read and written from outside during a pause, and the program sees it."""
        await put(sandbox, given=b"1")
        pause = await sandbox.begin(
            with_tools(python("open('made', 'w').write('2')\nawait get_weather(city='x')\nprint(open('late').read())"))
        )
        assert await content(sandbox, "made") == b"2"
        await put(sandbox, late=b"3")
        reply = await sandbox.resume(answers(pause, 1))
        assert isinstance(reply, Reply)
        assert reply.stdout == "3\n"

    async def test_a_program_that_ends_while_it_waits(self, sandbox: Sandbox) -> None:
        """A paused program may end by itself; the next results get its reply."""
        program = (
            "import os, threading, time\nthreading.Timer(0.2, os._exit, [3]).start()\n"
            "print('so far', flush=True)\nawait get_weather(city='x')"
        )
        pause = await sandbox.begin(with_tools(python(program)))
        await asyncio.sleep(0.5)
        reply = await sandbox.resume(answers(pause, 1))
        assert isinstance(reply, Reply)
        assert (reply.ending, reply.code, reply.stdout) == (Ending.EXIT, 3, "so far\n")

    async def test_a_destroyed_sandbox_ends_the_program_that_waits(self, engine: Engine) -> None:
        """Destroying the sandbox aborts a paused run."""
        held = await engine.create()
        pause = await held.begin(with_tools(python("await get_weather(city='x')\nprint('never')")))
        await engine.destroy(held.id)
        assert await engine.find(held.id) is None
        with pytest.raises(EngineUnavailable):
            await held.resume(answers(pause, 1))

    async def test_a_cancelled_continuation_kills(self, sandbox: Sandbox) -> None:
        """Cancelling a resumed run kills the program: its lock is free."""
        program = f"await get_weather(city='x')\n{Leftovers.HOLD_LOCK}hold()"
        pause = await sandbox.begin(with_tools(python(program)))
        going_on = asyncio.create_task(sandbox.resume(answers(pause, 1)))
        await until_there(sandbox, "locked")
        going_on.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going_on

        async def free() -> bool:
            return await output(sandbox, python(Leftovers.TRY_LOCK)) == "free\n"

        await until(free, "the program is dead")
