"""Start a program: streams, limits, environment; then either exec, or Python in this very interpreter.

Its process may be there before anybody knows what it shall run (``Ahead``): forking and becoming fresh is most of the
time of a short run.
"""

from __future__ import annotations

import marshal
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from app.runner import warm_python
from app.runner.messages import Limits, Message
from app.runner.process import set_dumpable

OOM_VICTIM = b"1000"
OOM_NORMAL = b"0"


class Body(Protocol):
    """Be what a process does, as plain data until then."""

    def to_json(self) -> dict[str, Any]:
        """Give it as plain data."""
        ...

    def run(self) -> NoReturn:
        """Do it, in a process made for it."""
        ...


@dataclass(frozen=True, slots=True)
class Process:
    """Hold a started program: its pid, a pidfd, and the reading ends of its streams."""

    pid: int
    pidfd: int
    stdout: int
    stderr: int

    def close(self) -> None:
        """Close the three descriptors."""
        for descriptor in (self.pidfd, self.stdout, self.stderr):
            os.close(descriptor)


def spawn(body: Body, limits: Limits, directory: str, oom: int | None) -> Process:
    """Start a program; ``oom`` is a descriptor of our own ``oom_score_adj``."""
    return _fork(oom, lambda out, err: _be_program(body, limits.cpu_seconds, directory, out, err))


class Ahead:
    """Hold the process of a program before the program is known: it has its streams, is fresh, and waits."""

    def __init__(self, directory: str, oom: int | None) -> None:
        """Fork it."""
        self.directory = directory
        order, self._order = os.pipe()
        self._process = _fork(oom, lambda out, err: _be_program_when_told(order, directory, out, err))
        os.close(order)

    def start(self, body: Body, limits: Limits) -> Process:
        """Let it be the program. Plain data copies less of the process's memory than pickled objects would."""
        with os.fdopen(self._order, "wb") as order:
            order.write(marshal.dumps((isinstance(body, Command), body.to_json(), limits.cpu_seconds)))
        return self._process


def _fork(oom: int | None, child: Callable[[int, int], NoReturn]) -> Process:
    """Fork a child that gets the writing ends of its streams.

    The kernel's memory killer shall choose the program, not the runner. Lowering a score needs privileges, so the
    runner raises its own before the fork, and takes it back: only the child keeps it.
    """
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    _set_oom_score(oom, OOM_VICTIM)
    pid = os.fork()
    if pid == 0:
        child(out_write, err_write)
    _set_oom_score(oom, OOM_NORMAL)
    os.close(out_write)
    os.close(err_write)
    return Process(pid, os.pidfd_open(pid), out_read, err_read)


def _set_oom_score(oom: int | None, score: bytes) -> None:
    if oom is not None:
        os.pwrite(oom, score, 0)


def _be_program(body: Body, cpu_seconds: int, directory: str, out: int, err: int) -> NoReturn:
    try:
        _become_fresh(out, err)
        _begin(body, cpu_seconds, directory)
    finally:
        os._exit(126)


def _be_program_when_told(order: int, directory: str, out: int, err: int) -> NoReturn:
    try:
        _become_fresh(out, err, order)
        with os.fdopen(order, "rb") as stream:
            text = stream.read()
        if text:
            is_command, data, cpu_seconds = marshal.loads(text)  # noqa: S302  the runner's word, before any program ran
            kind = Command if is_command else warm_python.WarmProgram
            _begin(kind.from_json(data), cpu_seconds, directory)
    finally:
        os._exit(126)


def _become_fresh(out: int, err: int, order: int = 256) -> None:
    """Do what needs to know of no program."""
    os.setsid()
    set_dumpable(True)
    _connect_streams(out, err, order)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    warm_python.become_fresh()


def _begin(body: Body, cpu_seconds: int, directory: str) -> NoReturn:
    os.chdir(directory)
    # soft below hard: the program gets SIGXCPU, which the runner can tell from a kill
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    body.run()


def _connect_streams(out: int, err: int, order: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target, inheritable=True)
    os.closerange(3, order)
    os.closerange(order + 1, 256)


@dataclass(frozen=True, slots=True)
class Command(Message):
    """Execute a command line."""

    argv: list[str]
    env: dict[str, str]

    def run(self) -> NoReturn:
        """Become the other program."""
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        argv = self.argv
        try:
            os.execvpe(argv[0], argv, self.env)  # noqa: S606  a command line of the language table, no shell
        except (OSError, ValueError) as error:  # ValueError: an argument holds a NUL, or half a character
            os.write(2, f"{argv[0]}: {getattr(error, 'strerror', None) or error}\n".encode("utf-8", "replace"))
            os._exit(127 if isinstance(error, FileNotFoundError) else 126)
