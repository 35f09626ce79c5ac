"""Program start: streams, limits, environment; then either exec, or Python in this interpreter.

The process may be created before the program is known (``PreparedProcess``), because fork and reset take most of the
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

from librechat_code_interpreter.runner import warm_python
from librechat_code_interpreter.runner.messages import Limits, Message
from librechat_code_interpreter.runner.process import DEFAULT, set_dumpable, set_handler

Meanwhile = Callable[[int], None]
"""Work that a process does until a descriptor is readable."""

_USE_TIME, _BEGIN = b"t", b"b"
_CHUNK = 1 << 20
_MAX_DESCRIPTOR = 256
"""More descriptors than the runner ever has open."""

OOM_VICTIM = b"1000"
OOM_NORMAL = b"0"


class Body(Protocol):
    """Task of a process; convertible to plain data until it starts."""

    def to_json(self) -> dict[str, Any]:
        """Return the task as plain data."""
        ...

    def run(self) -> NoReturn:
        """Execute the task, in a process created for it."""
        ...


@dataclass(frozen=True, slots=True)
class Process:
    """Started program: its pid, a pidfd, and the read ends of its streams."""

    pid: int
    pidfd: int
    stdout: int
    stderr: int

    def close(self) -> None:
        for descriptor in (self.pidfd, self.stdout, self.stderr):
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Ends:
    """Write ends of a program's streams."""

    stdout: int
    stderr: int

    def take(self, order: int | None) -> None:
        """Install them as descriptors 1 and 2, and ``os.devnull`` as 0; close all others except ``order``."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (self.stdout, 1), (self.stderr, 2)):
            os.dup2(source, target, inheritable=True)
        os.closerange(3, _MAX_DESCRIPTOR if order is None else order)
        if order is not None:
            os.closerange(order + 1, _MAX_DESCRIPTOR)

    def close(self) -> None:
        for descriptor in (self.stdout, self.stderr):
            os.close(descriptor)


def spawn(body: Body, limits: Limits, directory: str, oom: int | None) -> Process:
    """Start a program; ``oom`` is a descriptor of the runner's own ``oom_score_adj``."""
    return _fork(oom, lambda ends: _be_program(body, limits.cpu_seconds, directory, ends))


class PreparedProcess:
    """Process created before its program is known: its streams are open, inherited state is reset, and it waits."""

    def __init__(self, directory: str, oom: int | None, meanwhile: Meanwhile | None = None) -> None:
        self.directory = directory
        order, self._order = os.pipe()
        self._process = _fork(oom, lambda ends: _wait_and_begin(order, directory, ends, meanwhile))
        os.close(order)

    def use_time(self) -> None:
        """Request its ``meanwhile`` work, before it receives its program."""
        os.write(self._order, _USE_TIME)

    def start(self, body: Body, limits: Limits) -> Process:
        """Send it the program, as plain data: pickled objects would copy more of the process's memory."""
        with os.fdopen(self._order, "wb") as order:
            order.write(_BEGIN + marshal.dumps((isinstance(body, Command), body.to_json(), limits.cpu_seconds)))
        return self._process


def _fork(oom: int | None, child: Callable[[_Ends], NoReturn]) -> Process:
    """Fork a child that gets the write ends of its streams.

    The kernel's OOM killer must choose the program, not the runner. Lowering a score needs privileges. So the runner
    raises its own score before the fork and resets it afterwards; only the child keeps the raised score.
    """
    pipes = [os.pipe() for _ in range(2)]
    ends = _Ends(*(write for _, write in pipes))
    set_oom_score(oom, is_victim=True)
    pid = os.fork()
    if pid == 0:
        child(ends)
    set_oom_score(oom, is_victim=False)
    ends.close()
    return Process(pid, os.pidfd_open(pid), *(read for read, _ in pipes))


def set_oom_score(oom: int | None, *, is_victim: bool) -> None:
    """Set the runner's own score, which its next forks inherit; ``oom`` is a descriptor of its ``oom_score_adj``."""
    if oom is not None:
        os.pwrite(oom, OOM_VICTIM if is_victim else OOM_NORMAL, 0)


def _be_program(body: Body, cpu_seconds: int, directory: str, ends: _Ends) -> NoReturn:
    try:
        _become_fresh(ends)
        _begin(body, cpu_seconds, directory)
    finally:
        os._exit(126)


def _wait_and_begin(order: int, directory: str, ends: _Ends, meanwhile: Meanwhile | None) -> NoReturn:
    try:
        _become_fresh(ends, order)
        word = os.read(order, 1)
        while word == _USE_TIME:
            if meanwhile is not None:
                meanwhile(order)
            word = os.read(order, 1)
        text = _read_all(order) if word == _BEGIN else b""
        if text:
            is_command, data, cpu_seconds = marshal.loads(text)  # noqa: S302  sent by the runner, before any program ran
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
    """Do the setup that is the same for every program."""
    os.setsid()
    set_dumpable(True)
    ends.take(order)
    for number in (SIGCHLD, SIGTERM):
        set_handler(number, DEFAULT)
    warm_python.become_fresh()


def _begin(body: Body, cpu_seconds: int, directory: str) -> NoReturn:
    os.chdir(directory)
    # soft below hard: the program gets SIGXCPU, which the runner can distinguish from a kill
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
    body.run()


@dataclass(frozen=True, slots=True)
class Command(Message):
    """Command line to execute."""

    argv: list[str]
    env: dict[str, str]

    def run(self) -> NoReturn:
        """Replace this process by the command; exit with 127 if it does not exist, 126 on other errors."""
        for number in (SIGPIPE, SIGXFSZ, SIGINT):
            set_handler(number, DEFAULT)
        argv = self.argv
        try:
            os.execvpe(argv[0], argv, self.env)  # noqa: S606  a command line of the language table, no shell
        except (OSError, ValueError) as error:  # ValueError: an argument contains a NUL or a lone surrogate
            os.write(2, f"{argv[0]}: {getattr(error, 'strerror', None) or error}\n".encode("utf-8", "replace"))
            os._exit(127 if isinstance(error, FileNotFoundError) else 126)
