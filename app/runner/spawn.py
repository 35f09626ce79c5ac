"""Start a program: streams, limits, environment; then either exec, or Python in this very interpreter."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from app.runner.messages import Limits
from app.runner.process import set_dumpable

OOM_VICTIM = b"1000"
OOM_NORMAL = b"0"


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


def spawn(body: Callable[[], NoReturn], limits: Limits, directory: str, oom: int | None) -> Process:
    """Fork, prepare the child and call ``body`` in it; ``oom`` is a descriptor of our own ``oom_score_adj``.

    The kernel's memory killer shall choose the program, not the runner. Lowering a score needs privileges, so the
    runner raises its own before the fork, and takes it back: only the child keeps it.
    """
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    _set_oom_score(oom, OOM_VICTIM)
    pid = os.fork()
    if pid == 0:
        _be_program(body, limits, directory, out_write, err_write)
    _set_oom_score(oom, OOM_NORMAL)
    os.close(out_write)
    os.close(err_write)
    return Process(pid, os.pidfd_open(pid), out_read, err_read)


def _set_oom_score(oom: int | None, score: bytes) -> None:
    if oom is not None:
        os.pwrite(oom, score, 0)


def _be_program(body: Callable[[], NoReturn], limits: Limits, directory: str, out: int, err: int) -> NoReturn:
    try:
        os.setsid()
        set_dumpable(True)
        _connect_streams(out, err)
        os.chdir(directory)
        # soft below hard: the program gets SIGXCPU, which the runner can tell from a kill
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 5))
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        body()
    finally:
        os._exit(126)


def _connect_streams(out: int, err: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(source, target, inheritable=True)
    os.closerange(3, 256)


def command(argv: list[str], env: dict[str, str]) -> Callable[[], NoReturn]:
    """Make the body that executes a command line."""

    def body() -> NoReturn:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        try:
            os.execvpe(argv[0], argv, env)  # noqa: S606  a command line of the language table, no shell
        except (OSError, ValueError) as error:  # ValueError: an argument holds a NUL, or half a character
            os.write(2, f"{argv[0]}: {getattr(error, 'strerror', None) or error}\n".encode("utf-8", "replace"))
            os._exit(127 if isinstance(error, FileNotFoundError) else 126)

    return body
