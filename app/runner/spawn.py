"""Start a program: streams, limits, environment; then either exec, or Python in this very interpreter.

Its process may be made before the program is known (``PreparedProcess``): forking and becoming fresh is most of the
time of a short run.
"""

from __future__ import annotations

import marshal
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGCHLD, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ
from typing import Any, NoReturn, Protocol

from app.runner import warm_python
from app.runner.messages import Limits, Message
from app.runner.process import DEFAULT, set_dumpable, set_handler

Meanwhile = Callable[[int], None]
"""What a process does with its time until a descriptor has something to read."""

_USE_TIME, _BEGIN = b"t", b"b"
_CHUNK = 1 << 20
_MAX_DESCRIPTOR = 256
"""More descriptors than the runner ever holds."""

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
    """A started program: its pid, a pidfd, and the reading ends of its streams."""

    pid: int
    pidfd: int
    stdout: int
    stderr: int

    def close(self) -> None:
        for descriptor in (self.pidfd, self.stdout, self.stderr):
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Ends:
    """The writing ends of a program's streams."""

    stdout: int
    stderr: int

    def take(self, order: int | None) -> None:
        """Make them the descriptors that a program expects; of all others only ``order`` stays."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (self.stdout, 1), (self.stderr, 2)):
            os.dup2(source, target, inheritable=True)
        os.closerange(3, _MAX_DESCRIPTOR if order is None else order)
        if order is not None:
            os.closerange(order + 1, _MAX_DESCRIPTOR)

    def close(self) -> None:
        """Close them, in the runner."""
        for descriptor in (self.stdout, self.stderr):
            os.close(descriptor)


def spawn(body: Body, limits: Limits, directory: str, oom: int | None) -> Process:
    """Start a program; ``oom`` is a descriptor of our own ``oom_score_adj``."""
    return _fork(oom, lambda ends: _be_program(body, limits.cpu_seconds, directory, ends))


class PreparedProcess:
    """Hold the process of a program before the program is known: it has its streams, is fresh, and waits."""

    def __init__(self, directory: str, oom: int | None, meanwhile: Meanwhile | None = None) -> None:
        """Fork it."""
        self.directory = directory
        order, self._order = os.pipe()
        self._process = _fork(oom, lambda ends: _be_program_when_told(order, directory, ends, meanwhile))
        os.close(order)

    def use_time(self) -> None:
        """Let it do what it can do before it is told its program."""
        os.write(self._order, _USE_TIME)

    def start(self, body: Body, limits: Limits) -> Process:
        """Let it be the program. Plain data copies less of the process's memory than pickled objects would."""
        with os.fdopen(self._order, "wb") as order:
            order.write(_BEGIN + marshal.dumps((isinstance(body, Command), body.to_json(), limits.cpu_seconds)))
        return self._process


def _fork(oom: int | None, child: Callable[[_Ends], NoReturn]) -> Process:
    """Fork a child that gets the writing ends of its streams.

    The kernel's memory killer shall choose the program, not the runner. Lowering a score needs privileges, so the
    runner raises its own before the fork, and takes it back: only the child keeps it.
    """
    pipes = [os.pipe() for _ in range(2)]
    ends = _Ends(*(write for _, write in pipes))
    _set_oom_score(oom, OOM_VICTIM)
    pid = os.fork()
    if pid == 0:
        child(ends)
    _set_oom_score(oom, OOM_NORMAL)
    ends.close()
    return Process(pid, os.pidfd_open(pid), *(read for read, _ in pipes))


def _set_oom_score(oom: int | None, score: bytes) -> None:
    if oom is not None:
        os.pwrite(oom, score, 0)


def _be_program(body: Body, cpu_seconds: int, directory: str, ends: _Ends) -> NoReturn:
    try:
        _become_fresh(ends)
        _begin(body, cpu_seconds, directory)
    finally:
        os._exit(126)


def _be_program_when_told(order: int, directory: str, ends: _Ends, meanwhile: Meanwhile | None) -> NoReturn:
    try:
        _become_fresh(ends, order)
        word = os.read(order, 1)
        while word == _USE_TIME:
            if meanwhile is not None:
                meanwhile(order)
            word = os.read(order, 1)
        text = _read_all(order) if word == _BEGIN else b""
        if text:
            is_command, data, cpu_seconds = marshal.loads(text)  # noqa: S302  the runner's word, before any program ran
            kind = Command if is_command else warm_python.WarmProgram
            _begin(kind.from_json(data), cpu_seconds, directory)
    finally:
        os._exit(126)


def _read_all(descriptor: int) -> bytes:
    text = b""
    while chunk := os.read(descriptor, _CHUNK):
        text += chunk
    os.close(descriptor)
    return text


def _become_fresh(ends: _Ends, order: int | None = None) -> None:
    """Do what needs to know of no program."""
    os.setsid()
    set_dumpable(True)
    ends.take(order)
    for number in (SIGCHLD, SIGTERM):
        set_handler(number, DEFAULT)
    warm_python.become_fresh()


def _begin(body: Body, cpu_seconds: int, directory: str) -> NoReturn:
    os.chdir(directory)
    # soft below hard: the program gets SIGXCPU, which the runner can tell from a kill
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    body.run()


@dataclass(frozen=True, slots=True)
class Command(Message):
    """Execute a command line."""

    argv: list[str]
    env: dict[str, str]

    def run(self) -> NoReturn:
        """Become the other program."""
        for number in (SIGPIPE, SIGXFSZ, SIGINT):
            set_handler(number, DEFAULT)
        argv = self.argv
        try:
            os.execvpe(argv[0], argv, self.env)  # noqa: S606  a command line of the language table, no shell
        except (OSError, ValueError) as error:  # ValueError: an argument holds a NUL, or half a character
            os.write(2, f"{argv[0]}: {getattr(error, 'strerror', None) or error}\n".encode("utf-8", "replace"))
            os._exit(127 if isinstance(error, FileNotFoundError) else 126)
