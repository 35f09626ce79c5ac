"""Supervision of a running program: reads its streams up to their caps, and stops it at a limit."""

from __future__ import annotations

import os
import selectors
import signal
import time
from dataclasses import dataclass, field

from librechat_code_interpreter.runner import kill, memory
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.fork_server import ForkServer
from librechat_code_interpreter.runner.messages import Limits
from librechat_code_interpreter.runner.spawn import Process
from librechat_code_interpreter.runner.toolcalls import Gone, ToolCalls

_CHUNK = 256 * 1024
_MEMORY_LOOK_SECONDS = 0.1
_DRAIN_SECONDS = 0.25
_LONG_SECONDS = 1e6


@dataclass(slots=True)
class Stream:
    """One output stream, collected up to its cap (bytes)."""

    name: str
    cap: int
    data: bytearray = field(default_factory=bytearray)
    overflowed: bool = False

    def take(self, chunk: bytes) -> None:
        """Append as much of ``chunk`` as fits below the cap."""
        room = self.cap - len(self.data)
        self.data += chunk[:room]
        self.overflowed = self.overflowed or len(chunk) > room

    def say(self, line: str) -> None:
        """Append a line of the runner's own, regardless of the cap."""
        if self.data and not self.data.endswith(b"\n"):
            self.data += b"\n"
        self.data += f"[sandbox] {line}\n".encode()

    @property
    def is_utf8(self) -> bool:
        """Whether the collected bytes are valid UTF-8, so that ``text`` equals them."""
        try:
            self.data.decode()
        except UnicodeDecodeError:
            return False
        return True

    @property
    def text(self) -> str:
        """The collected bytes as text; U+FFFD replaces what is not UTF-8."""
        return self.data.decode("utf-8", "replace")


@dataclass(slots=True)
class Supervised:
    """Result of supervision: the streams, the wait status, and why the runner stopped the program, if it did."""

    stdout: Stream
    stderr: Stream
    status: int = 0
    stopped: Ending | None = None


def watch(
    process: Process,
    into: Supervised,
    limits: Limits,
    deadline: float,
    tool_calls: ToolCalls | None = None,
    fork_server: ForkServer | None = None,
) -> None:
    """Wait until the program's first process has ended, its descendants are killed and the streams are drained."""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, into.stdout)
        selector.register(process.stderr, selectors.EVENT_READ, into.stderr)
        selector.register(process.pidfd, selectors.EVENT_READ, None)
        if fork_server is not None:
            fork_server.start(selector)
        if tool_calls is None:
            _until_ended_or_stopped(selector, into, limits, deadline)
        else:
            tool_calls.start(selector, deadline)
            _until_ended_or_gone(selector, into, limits, tool_calls)
            tool_calls.stop()
        if process.pidfd in selector.get_map():
            selector.unregister(process.pidfd)
        if fork_server is not None:
            fork_server.stop()
        _end(process, into)
        _drain(selector, into)


def _end(process: Process, into: Supervised) -> None:
    """Wait for the end of the program's process, after a kill if it was stopped; then kill its descendants."""
    if into.stopped is not None:
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
    _, into.status = os.waitpid(process.pid, 0)
    kill.kill_all()


def _until_ended_or_stopped(
    selector: selectors.BaseSelector, into: Supervised, limits: Limits, deadline: float
) -> None:
    while into.stopped is None:
        wait = deadline - time.monotonic()
        if wait <= 0:
            into.stopped = Ending.TIME
        elif limits.memory_bytes is not None and memory.is_over(limits.memory_bytes):
            into.stopped = Ending.MEMORY
        elif _take_ready(selector, into, wait if limits.memory_bytes is None else min(wait, _MEMORY_LOOK_SECONDS)):
            return


def _until_ended_or_gone(
    selector: selectors.BaseSelector, into: Supervised, limits: Limits, tool_calls: ToolCalls
) -> None:
    """Supervise a program that may pause; the time of pauses does not count."""
    while into.stopped is None:
        wait = min(tool_calls.deadline - time.monotonic(), tool_calls.patience)
        if tool_calls.deadline <= time.monotonic():
            into.stopped = Ending.TIME
        elif limits.memory_bytes is not None and memory.is_over(limits.memory_bytes):
            into.stopped = Ending.MEMORY
        else:
            wait = wait if limits.memory_bytes is None else min(wait, _MEMORY_LOOK_SECONDS)
            try:
                if _take_ready(selector, into, wait):
                    return
                tool_calls.look(into.stdout.data, into.stderr.data)
            except Gone:
                into.stopped = Ending.CANCELLED


def _take_ready(selector: selectors.BaseSelector, into: Supervised, wait: float) -> bool:
    """Read what the streams contain; return whether the program has ended."""
    ended = False
    for key, _ in selector.select(wait if wait < _LONG_SECONDS else None):
        if key.data is None:
            ended = True
        elif isinstance(key.data, Stream):
            _take(selector, key, into)
        elif key.fd in selector.get_map():  # else an earlier callback unregistered it
            key.data(key.fd)
    return ended


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey, into: Supervised) -> None:
    chunk = os.read(key.fd, _CHUNK)
    if not chunk:
        selector.unregister(key.fd)
        return
    key.data.take(chunk)
    if key.data.overflowed:
        into.stopped = into.stopped or Ending.OUTPUT


def _drain(selector: selectors.BaseSelector, into: Supervised) -> None:
    """Read the rest of the pipes; bounded, because outside a pid namespace an escaped writer may keep them open."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while selector.get_map() and time.monotonic() < deadline:
        _take_ready(selector, into, max(0.0, deadline - time.monotonic()))
