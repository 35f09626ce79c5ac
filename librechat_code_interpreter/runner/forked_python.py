"""A Python program in a fork of the fork server: takes over what its starter had, then runs as a cold Python does."""

from __future__ import annotations

import fcntl
import io
import marshal
import os
import resource
import signal
import socket
import struct
import sys
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from librechat_code_interpreter.runner import interpreter_exit, warm_python
from librechat_code_interpreter.runner.process import DEFAULT, IGNORED, set_dumpable, set_handler

STARTED, REFUSED = b"s", b"r"
PID = struct.Struct("i")

_SETTINGS = ("PYTHON", "LC_", "LANG", "LD_", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "MPL", "MALLOC_", "GLIBC_")
"""Prefixes of variables that Python or a loaded package reads only once: a program with other values is refused."""

_SAME_LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK)
"""Limits that a process with loaded packages meets sooner than a new one: a program with lower ones is refused."""

_FIRST_HIGH = 300
"""Received descriptors are moved above this number before all others are closed."""


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """What the starter had: see ``sandbox/start_hook.py``, which sends these fields in this order."""

    source: bytes
    name: str
    """The code's file name: the path as given, ``<string>`` or ``<stdin>``."""

    argv: list[str]
    orig_argv: list[str]
    path: list[str]
    """``sys.path`` without its first entry."""

    first_path: str
    environment: dict[str, str]
    umask: int
    limits: list[tuple[int, int]]
    ignored_signals: list[int]
    blocked_signals: list[int]
    affinity: list[int]
    priority: int
    pid: int
    parent_pid: int
    is_unbuffered: bool
    numbers: list[int]
    """Descriptor numbers of the program, in the order of the descriptors sent."""


class Refused(Exception):
    """The program needs an interpreter of its own."""


def run(connection: socket.socket, descriptors: list[int], environment: dict[str, str]) -> NoReturn:
    """Run the program of a request; report ``REFUSED`` and exit if it needs an interpreter of its own."""
    try:
        os.setsid()
        memory, directory, *streams = [fcntl.fcntl(item, fcntl.F_DUPFD_CLOEXEC, _FIRST_HIGH) for item in descriptors]
        wire = socket.socket(fileno=fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, _FIRST_HIGH))
        os.closerange(0, _FIRST_HIGH)
        request = ForkRequest(*marshal.loads(_read(memory)))  # noqa: S302  a program of this sandbox, for this sandbox
        try:
            _check(request, environment)
        except Refused:
            wire.send(REFUSED)
            os._exit(0)
        _take_over(request, directory, streams)
        wire.send(STARTED + PID.pack(os.getpid()))
        wire.close()
        _replace_ids(request)
        os._exit(_run(request))
    finally:
        os._exit(70)


def _read(memory: int) -> bytes:
    size = os.fstat(memory).st_size
    data = os.pread(memory, size, 0)
    os.close(memory)
    return data


def _check(request: ForkRequest, environment: dict[str, str]) -> None:
    names = {name for name in (*request.environment, *environment) if name.startswith(_SETTINGS)}
    if any(request.environment.get(name) != environment.get(name) for name in names - {"PYTHONUNBUFFERED"}):
        raise Refused
    if any(request.limits[kind][0] != resource.getrlimit(kind)[0] for kind in _SAME_LIMITS):
        raise Refused


def _take_over(request: ForkRequest, directory: int, streams: list[int]) -> None:
    """Set descriptors, directory, signals, limits and priority as the starter has them."""
    for source, target in zip(streams, request.numbers, strict=True):
        os.dup2(source, target)
        os.close(source)
    os.fchdir(directory)
    os.close(directory)
    set_dumpable(True)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        set_handler(number, DEFAULT)
    os.umask(request.umask)
    warm_python.become_fresh()
    valid = signal.valid_signals()  # make starts programs with 32 or 33 ignored, which the C library keeps for itself
    for ignored in valid.intersection(request.ignored_signals):
        set_handler(ignored, IGNORED)
    signal.pthread_sigmask(signal.SIG_SETMASK, valid.intersection(request.blocked_signals))
    for kind, limit in enumerate(request.limits):
        if limit != resource.getrlimit(kind):
            resource.setrlimit(kind, limit)
    os.sched_setaffinity(0, request.affinity)
    os.setpriority(os.PRIO_PROCESS, 0, request.priority)


def _replace_ids(request: ForkRequest) -> None:
    """Let ``os.getpid`` and ``os.getppid`` return the starter's ids, which the shell and other programs know.

    Signals to that id reach this process, because the starter forwards them; its own come at once, as usual. Forks of
    this process have their own ids.
    """
    own, get_pid, get_parent, send_signal = os.getpid(), os.getpid, os.getppid, os.kill

    def getpid() -> int:
        pid = get_pid()
        return request.pid if pid == own else pid

    def getppid() -> int:
        if get_pid() == own:
            return request.parent_pid
        parent = get_parent()
        return request.pid if parent == own else parent

    def kill(pid: int, signal: int, /) -> None:
        send_signal(own if pid == request.pid else pid, signal)

    vars(os).update(getpid=getpid, getppid=getppid, kill=kill)


def _run(request: ForkRequest) -> int:
    os.environ.clear()
    os.environ.update(request.environment)
    if hasattr(time, "tzset"):
        time.tzset()
    sys.argv[:], sys.orig_argv[:] = request.argv, request.orig_argv
    sys.path[:] = [request.first_path, *request.path]
    _open_streams(request)
    main = warm_python.main_module(request.name, None)
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    if request.name == "<string>":
        del vars(main)["__file__"], vars(main)["__cached__"]
        if sys.version_info >= (3, 13):  # which shows the lines of ``-c``
            warm_python.remember_lines(request.name, request.source)
    belongings = interpreter_exit.Belongings(main)
    try:
        exec(compile(request.source, request.name, "exec", dont_inherit=True), vars(main))  # noqa: S102  its purpose
        code = 0
    except SystemExit as leave:
        code = interpreter_exit.exit_code(leave)
    except BaseException as error:  # noqa: BLE001  any exception ends the program; it is printed to stderr below
        code = interpreter_exit.show(error, request.name)
    del main
    return belongings.end(code)


def _open_streams(request: ForkRequest) -> None:
    """Open the three streams as a new interpreter does; one that the starter had closed is ``None``."""
    names = vars(sys)
    errors = ("surrogateescape", "surrogateescape", "backslashreplace")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(request, number, name, errors[number]) if number in request.numbers else None
        names[name] = names[f"__{name}__"] = stream


def _stream(request: ForkRequest, number: int, name: str, errors: str) -> io.TextIOWrapper:
    mode = "r" if number == 0 else "w"
    raw: Any = io.FileIO(number, mode, closefd=False)
    raw.name = f"<{name}>"
    is_unbuffered = request.is_unbuffered and number != 0
    buffer: Any = io.BufferedReader(raw) if number == 0 else raw if is_unbuffered else io.BufferedWriter(raw)
    is_line_buffered = not is_unbuffered and (number == 2 or raw.isatty())
    stream: Any = io.TextIOWrapper(
        buffer, encoding="utf-8", errors=errors, line_buffering=is_line_buffered, write_through=is_unbuffered
    )
    stream.mode = mode
    opened: io.TextIOWrapper = stream
    return opened
