"""Passes a Python program that imports packages to the sandbox's fork server. Runs at every start of Python.

The fork server (``librechat_code_interpreter/runner/fork_server.py``) has the packages loaded and runs the program in a
fork. This process then waits, forwards signals and ends as the program does. Without a server, and for everything
unusual (options, virtual environments, modules that hide packages), Python goes on as if this module were not there.

A program without packages pays for this module, too. So modules that Python does not load anyway are imported late.
"""

import os
import sys

TYPE_CHECKING = False  # importing ``typing`` takes as long as all that Python does at its start
if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket as Socket
    from typing import Any, NoReturn

ADDRESS = "\0sandbox-python"
"""The same as in ``fork_server``."""

PACKAGES = os.path.dirname(os.path.abspath(__file__))
MAX_MODULES = 50
"""Modules of the user's that are searched for imports."""

STARTED, ENDED = b"s", b"e"
SIGNALS = range(1, 65)
IGNORED_BY_PYTHON = (13, 25)
"""SIGPIPE and SIGXFSZ."""

NOT_FORWARDED = (9, 17, 18, 19)
"""SIGKILL, SIGCHLD, SIGCONT and SIGSTOP."""

LIMITS = 16
"""The number of the kernel's resource limits."""

OPTIONS = ("-u", "-B")
"""Options that a fork can have."""


class Program:
    """The program of a command line: its code, the name that tracebacks show, arguments, and where it imports from."""

    def __init__(self, source: bytes, name: str, argv: list[str], directory: str) -> None:
        """Keep all as it is."""
        self.source, self.name, self.argv, self.directory = source, name, argv, directory


def start() -> None:
    """Pass the program on if that is possible and pays; return otherwise."""
    flags = sys.flags
    if flags.isolated or flags.ignore_environment or flags.optimize or flags.interactive or flags.dev_mode:
        return
    if sys.prefix != PACKAGES.rsplit("/", 3)[0]:  # a virtual environment
        return
    position = 1
    while sys.orig_argv[position : position + 1] and sys.orig_argv[position] in OPTIONS:
        position += 1
    word, rest = sys.orig_argv[position : position + 1], sys.orig_argv[position + 1 :]
    if word in ([], ["-"]):
        if not os.isatty(0) and (wire := connect()) is not None:
            _pass_on(wire, Program(read_stdin(), "<stdin>", [*(word or [""]), *rest], ""))
    elif word == ["-c"]:
        if rest:
            _pass_on(None, Program(os.fsencode(rest[0]), "<string>", ["-c", *rest[1:]], ""))
    elif not word[0].startswith("-") and os.path.isfile(word[0]):
        with open(word[0], "rb") as file:
            path = os.path.join(os.getcwd(), word[0].removeprefix("./"))  # as Python itself names it
            _pass_on(None, Program(file.read(), path, [*word, *rest], os.path.dirname(os.path.realpath(path))))


def _pass_on(wire: "Socket | None", program: Program) -> None:
    if imports_packages(program.source, program.directory or "."):
        wire = wire or connect()
        pid = hand_over(wire, program) if wire is not None else None
        if wire is not None and pid is not None:
            wait(wire, pid)
    if wire is not None:
        wire.close()
    if program.name == "<stdin>":  # Python reads it again
        os.lseek(0, -len(program.source), os.SEEK_END)


def connect() -> "Socket | None":
    """Return a connection to the fork server, or None without one.

    The server is the first process of the sandbox. Anybody else who listens could be a stranger on the same host.
    """
    import _socket

    wire = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        wire.connect(ADDRESS)
        credentials = wire.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    except OSError:
        credentials = b""
    if int.from_bytes(credentials[:4], sys.byteorder) != 1:
        wire.close()
        return None
    return wire  # type: ignore[return-value]


def imports_packages(source: bytes, directory: str) -> bool:
    """Return whether a program, or a module of the user's that it imports, imports a package of the runtime.

    False if a module of the user's hides a package: what is loaded is another one then.
    """
    found, seen, sources = False, set(), [source]
    for text in sources:
        for name in _imported(text):
            if name in seen or name in sys.stdlib_module_names:
                continue
            seen.add(name)
            path = os.path.join(directory, name)
            is_package = _exists(os.path.join(PACKAGES, name))
            if not _exists(path):
                found = found or is_package
            elif is_package:
                return False
            elif os.path.isfile(f"{path}.py") and len(sources) < MAX_MODULES:
                with open(f"{path}.py", "rb") as file:
                    sources.append(file.read())
    return found


def _exists(path: str) -> bool:
    return os.path.isdir(path) or os.path.isfile(f"{path}.py")


def _imported(source: bytes) -> "Iterator[str]":
    """Yield the top-level names in the import statements of a program."""
    if b"import" not in source:
        return
    for line in source.replace(b";", b"\n").split(b"\n"):
        words = line.split(None, 2)
        if len(words) < 2:
            continue
        if words[0] == b"from":
            yield words[1].partition(b".")[0].decode("utf-8", "replace")
        elif words[0] == b"import":
            for part in line.split(None, 1)[1].split(b","):
                yield part.split(b".")[0].split(b" as ")[0].strip().decode("utf-8", "replace")


def read_stdin() -> bytes:
    """Return the rest of stdin; afterwards it is seekable, and at its end."""
    chunks = []
    while chunk := os.read(0, 1 << 20):
        chunks.append(chunk)
    source = b"".join(chunks)
    try:
        os.lseek(0, 0, os.SEEK_CUR)
    except OSError:  # a pipe
        copy = memory_file(source)
        os.dup2(copy, 0)
        os.close(copy)
    return source


def memory_file(content: bytes) -> int:
    """Return the descriptor of a new file in memory with this content."""
    descriptor = os.memfd_create("program")
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor


def hand_over(wire: "Socket", program: Program) -> int | None:
    """Send the program with all that a process inherits; return its process id, or None if the server refuses it."""
    import _signal  # type: ignore[import-not-found]  # typeshed does not know it
    import _socket
    import array
    import marshal
    import resource

    ignored, blocked = signal_masks()
    umask = os.umask(0)
    os.umask(umask)
    numbers = inherited_descriptors()
    options = sys.orig_argv[1 : len(sys.orig_argv) - len(program.argv) + 1]
    request = (
        program.source,
        program.name,
        program.argv,
        list(sys.orig_argv),
        list(sys.path),
        program.directory,
        dict(os.environ),
        umask,
        [resource.getrlimit(kind) for kind in range(LIMITS)],
        ignored,
        blocked,
        sorted(os.sched_getaffinity(0)),
        os.getpriority(os.PRIO_PROCESS, 0),
        os.getpid(),
        os.getppid(),
        "-u" in options or bool(os.environ.get("PYTHONUNBUFFERED")),
        numbers,
    )
    memory, directory = memory_file(marshal.dumps(request)), os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    rights = array.array("i", [memory, directory, *numbers])
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())  # until they can be forwarded
    try:
        wire.sendmsg([b"."], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
        answer = wire.recv(8)
        pid = _number(answer) if answer.startswith(STARTED) else None
    except OSError:  # the server has ended, or there are too many descriptors
        pid = None
    finally:
        os.close(memory)
        os.close(directory)
    if pid is None:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, _valid(blocked))
    return pid


def _valid(signals: list[int]) -> "set[int]":
    """Return those that the C library does not keep for itself."""
    import _signal

    return set(_signal.valid_signals()).intersection(signals)


def _number(message: bytes) -> int:
    return int.from_bytes(message[1:5], sys.byteorder, signed=True)


def signal_masks() -> tuple[list[int], list[int]]:
    """Return the signals that this process was started to ignore, and those that are blocked."""
    with open("/proc/self/status", "rb") as status:
        fields = dict(line.split(b":", 1) for line in status if b":" in line)
    ignored, blocked = (int(fields[name], 16) for name in (b"SigIgn", b"SigBlk"))
    return (
        [number for number in SIGNALS if ignored >> (number - 1) & 1 and number not in IGNORED_BY_PYTHON],
        [number for number in SIGNALS if blocked >> (number - 1) & 1],
    )


def inherited_descriptors() -> list[int]:
    """Return the numbers of the descriptors that this process was started with."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:  # the listing's own descriptor
            continue
    return sorted(found)


def wait(wire: "Socket", pid: int) -> "NoReturn":
    """Forward signals to the program until it ends, then end in the same way."""
    import signal

    def forward(number: int, _: object) -> None:
        try:
            os.kill(pid, number)
        except OSError:  # it has ended just now
            return

    try:
        for number in range(1, signal.NSIG):
            if number not in NOT_FORWARDED and signal.getsignal(number) is not signal.SIG_IGN:
                _handle(number, forward)
        for number in IGNORED_BY_PYTHON:
            signal.signal(number, forward)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])  # those that were blocked are blocked in the program
        os.closerange(0, 3)  # or a reader of the program's output would wait for this process
        answer = wire.recv(8)
        if not answer.startswith(ENDED):
            os._exit(70)  # the server has ended before the program
        status = _number(answer)
        if os.WIFSIGNALED(status):
            _end_by_signal(os.WTERMSIG(status))
        os._exit(os.WEXITSTATUS(status))
    finally:
        os._exit(70)  # the program runs, so this process must not run it, too


def _handle(number: int, handler: "Any") -> None:
    import signal

    try:
        signal.signal(number, handler)
    except (OSError, ValueError):  # the C library has this number for itself
        return


def _end_by_signal(number: int) -> None:
    import signal

    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)


try:
    start()
except Exception as error:  # noqa: BLE001  whatever it is, the program then runs in this process
    del error
