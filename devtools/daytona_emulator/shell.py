"""Run one command in a sandbox the way `process.exec` does.

The command is fed on the shell's standard input, not all at once. Both outputs are one stream. The reply waits for the
end of that stream, so a background child that holds it open holds the reply, too. A time-out loses the output.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

from devtools.daytona_emulator.jail import Jail, JailGone, Refused

_TICK_SECONDS = 0.01


class TimedOut(Exception):
    """The command took longer than the caller allowed; its output is lost."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended; the code is -1 when a signal ended the shell, or when it could not be started."""

    code: int
    output: str


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run, its standard input, and its time limit in seconds."""

    argv: Sequence[str]
    stdin: bytes
    cwd: str
    env: dict[str, str]
    seconds: int | None
    bytes_per_second: int


async def run(jail: Jail, command: Command) -> Outcome:
    """Run a command to its end. Raises ``TimedOut`` or ``JailGone``."""
    stdin, feeding = os.pipe()
    reading, output = os.pipe()
    asked = {"argv": list(command.argv), "cwd": command.cwd, "env": command.env}
    try:
        number, ended = jail.begin("exec", [stdin, output], **asked)
    except JailGone:
        os.close(feeding)
        os.close(reading)
        raise
    finally:
        os.close(stdin)
        os.close(output)
    async with contextlib.AsyncExitStack() as stack:
        feed = asyncio.create_task(_feed(feeding, command))
        stack.push_async_callback(_cancel, feed)
        try:
            async with asyncio.timeout(command.seconds):
                return await _outcome(reading, ended)
        except TimeoutError as error:
            await jail.ask("kill", exec=number)
            raise TimedOut from error


async def _outcome(reading: int, ended: asyncio.Future[tuple[dict[str, Any], list[int]]]) -> Outcome:
    collected = await _read(reading)
    try:
        code = int((await ended)[0]["code"])
    except Refused as error:
        return Outcome(-1, str(error))
    return Outcome(max(code, -1), collected.decode(errors="replace"))


async def _read(descriptor: int) -> bytes:
    """Read to the end of the stream."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), _file(descriptor, "rb")
    )
    try:
        return await reader.read()
    finally:
        transport.close()


async def _feed(descriptor: int, command: Command) -> None:
    """Write the command at its speed; a shell that ends early need not hear the rest."""
    transport, protocol = await asyncio.get_running_loop().connect_write_pipe(_Writing, _file(descriptor, "wb"))
    step, started = max(1, int(command.bytes_per_second * _TICK_SECONDS)), time.monotonic()
    try:
        for sent in range(0, len(command.stdin), step):
            if protocol.lost:
                return
            transport.write(command.stdin[sent : sent + step])
            written = min(sent + step, len(command.stdin))
            await asyncio.sleep(max(0.0, started + written / command.bytes_per_second - time.monotonic()))
        transport.write_eof()
    finally:
        transport.close()


class _Writing(asyncio.Protocol):
    """Notice when the reader has gone."""

    lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


def _file(descriptor: int, mode: str) -> IO[bytes]:
    return os.fdopen(descriptor, mode, buffering=0)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
