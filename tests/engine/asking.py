"""Short forms of requests to a sandbox."""

from __future__ import annotations

import asyncio
import json
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from librechat_code_interpreter.core.protocols import Engine, Sandbox, Staged
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Limits, Program, Reply, Request

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.01


def python(source: str, *args: str, **limits: Any) -> Request:
    """Build a request for a Python program; keywords are limits."""
    return Request(Program(source, "main.py", "warm", args=list(args)), Limits(**limits))


def bash(source: str, *args: str, **limits: Any) -> Request:
    """Build a request for a shell program outside of the user's files."""
    program = Program(source, "main.sh", "scratch", run=["bash", "{source}"], args=list(args), language="bash")
    return Request(program, Limits(**limits))


def both(source: str) -> list[Any]:
    """Make two parameters of a Python program: run in the warm interpreter, and as a child of a shell."""
    text = textwrap.dedent(source)
    executed = f"cat > /tmp/look.py <<'END'\n{text}\nEND\nexec python3 /tmp/look.py"
    return [pytest.param(python(text), id="warm"), pytest.param(bash(executed), id="executed")]


def beside(source: str, **limits: Any) -> Request:
    """Build a request for a program whose text lies beside the user's files, as that of JavaScript does."""
    program = Program(source, "main.js", "workspace", run=["bash", "{source}"], language="js")
    return Request(program, Limits(**limits))


async def output(sandbox: Sandbox, request: Request) -> str:
    """Run a program that must succeed without stderr, and return what it printed."""
    reply = await sandbox.exchange(request)
    assert (reply.ending, reply.stderr) == (Ending.OK, ""), reply
    return reply.stdout


async def answer(sandbox: Sandbox, source: str) -> Any:
    """Run a Python program that prints JSON, and return the parsed value."""
    return json.loads(await output(sandbox, python(source)))


def file(path: str, data: bytes = b"content") -> Staged:
    """Yield a file in pieces."""

    async def read() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 1 << 18):
            yield data[start : start + (1 << 18)]

    return Staged(path, len(data), read)


async def put(sandbox: Sandbox, **files: bytes) -> None:
    """Put files; none may be refused."""
    assert await sandbox.put([file(path, data) for path, data in files.items()]) == {}


async def content(sandbox: Sandbox, path: str) -> bytes:
    """Read a file of the workspace."""
    return b"".join([chunk async for chunk in sandbox.get(path)])


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for a condition that must come true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        await asyncio.sleep(POLL_SECONDS)


async def until_there(sandbox: Sandbox, path: str) -> None:
    """Wait until a running program has made a file."""

    async def there() -> bool:
        try:
            await content(sandbox, path)
        except OSError:
            return False
        return True

    await until(there, f"{path} is there")


def paths(reply: Reply) -> list[str]:
    """Name the files that a run made or changed."""
    return [changed.path for changed in reply.changed]


async def works(engine: Engine) -> None:
    """Check that both kinds of Python, and bash, run in a new sandbox."""
    sandbox = await engine.create()
    assert await output(sandbox, python("print(6 * 7)")) == "42\n"
    assert await output(sandbox, python("import numpy; print(numpy.arange(4).sum())")) == "6\n"
    assert await output(sandbox, bash("echo ok")) == "ok\n"
    await engine.destroy(sandbox.id)
