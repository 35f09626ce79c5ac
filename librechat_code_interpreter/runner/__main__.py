"""Command-line entry point of the runner, for sandboxes without a local jail, as on Daytona.

    python3 runner.pyz < order          or          python3 runner.pyz order-file

It reads one order as JSON, executes it and writes one frame to stdout. The runner is not pid 1 here. It adopts orphaned
descendants of the program and kills the ones it finds. Files that a run left in the temporary directories are removed.

A run creates a mark file before anything starts. An engine that lost the connection tries to create the mark itself.
If it succeeds, the program never starts; otherwise, the program was started.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from librechat_code_interpreter.runner import files, kill, process
from librechat_code_interpreter.runner.continuation_socket import ContinuationSocket, detached, visit
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.frame import wrap
from librechat_code_interpreter.runner.messages import Message, Reply, Request
from librechat_code_interpreter.runner.run import run
from librechat_code_interpreter.runner.toolcalls import Link

Verb = Literal["run", "begin", "resume", "place", "look", "stop"]

TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm")
INHERITED = (
    "PATH", "LD_LIBRARY_PATH", "JAVA_HOME", "GOROOT", "CARGO_HOME", "RUSTUP_HOME", "NODE_PATH", "R_HOME",
    "MPLCONFIGDIR", "VIRTUAL_ENV", "SSL_CERT_FILE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
"""Variables of the sandbox's environment that programs inherit: locations of tools, and network access."""

_MARK_SECONDS = 3600
_STOP_SECONDS = 5.0
_OOM_EVENTS = Path("/sys/fs/cgroup/memory.events")


@dataclass(slots=True)
class Order(Message):
    """One request to the runner process; ``home`` is the runner's own directory in the sandbox."""

    verb: Verb
    nonce: str
    home: str
    workspace: str = "/mnt/data"
    request: dict[str, Any] = field(default_factory=dict)
    parcels: list[dict[str, Any]] = field(default_factory=list)
    path: str = ""
    """For ``look``, a path in the workspace; for ``resume`` and ``stop``, the nonce of the run."""

    most_bytes: int = 0
    secret: str = ""
    results: dict[str, Any] = field(default_factory=dict)
    again: bool = False
    """Whether ``resume`` is a retry, because the answer may have been lost."""

    temporary: list[str] = field(default_factory=lambda: list(TEMPORARY))
    """Directories from which files that the run left are removed."""


def main(arguments: list[str]) -> None:
    """Execute one order."""
    order = _read(arguments)
    _forget_where_we_came_from()
    answer = _VERBS[order.verb](order)
    _write(wrap(json.dumps(answer).encode("ascii"), order.nonce))


def _read(arguments: list[str]) -> Order:
    if not arguments:
        return Order.from_json(json.load(sys.stdin))
    with open(arguments[0], encoding="ascii") as stream:
        text = stream.read()
    os.unlink(arguments[0])
    return Order.from_json(json.loads(text))


def _forget_where_we_came_from() -> None:
    """Remove the runner's archive from the module path: programs do not need it, and all modules are loaded."""
    own = os.path.realpath(sys.argv[0])
    sys.path[:] = [entry for entry in sys.path if not entry or os.path.realpath(entry) != own]


def _write(frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(1, view) :]


def _run(order: Order) -> dict[str, Any]:
    return _whole_run(order, None)


def _begin(order: Order) -> dict[str, Any]:
    """Run a program that may pause, in a process that outlives this one."""

    def work(clients: ContinuationSocket) -> None:
        answer = _whole_run(order, clients)
        clients.leave(answer, Request.from_json(order.request).limits.pause_seconds)

    return detached(_socket_path(order.home, order.nonce), order.secret, work)


def _resume(order: Order) -> dict[str, Any]:
    """Send results to a paused program; ``path`` is the nonce of its run."""
    try:
        return visit(_socket_path(order.home, order.path), order.secret, order.results, again=order.again)
    except (FileNotFoundError, ConnectionRefusedError):
        return {"error": "no such program waits"}


def _socket_path(home: str, nonce: str) -> Path:
    return Path(home, f"post-{nonce}")


def _whole_run(order: Order, link: Link | None) -> dict[str, Any]:
    mark = Path(order.home, f"ran-{order.nonce}")
    try:
        _make_mark(mark)
    except FileExistsError:
        return {"error": "called off"}
    request = Request.from_json(order.request)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    request.env = {"MPLCONFIGDIR": f"{order.home}/matplotlib"} | inherited | request.env
    files.open_up(request.workspace)
    with _clean(order.temporary, order.home):
        reply = _run_watched(request, link)
    mark.write_text("")
    return {"reply": reply.to_json(), "layout": files.layout(request.workspace).to_json()}


def _make_mark(mark: Path) -> None:
    """Record that the program starts now, and the pid to stop. Raises ``FileExistsError`` if the run was cancelled."""
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_old_marks(mark.parent)
    own = mark.with_name(f"pid-{os.getpid()}")
    own.write_text(str(os.getpid()))
    try:
        os.link(own, mark)  # atomic, and never replaces another mark
    finally:
        own.unlink()


def _forget_old_marks(home: Path) -> None:
    for mark in home.glob("ran-*"):
        with suppress(OSError):
            if mark.stat().st_mtime < time.time() - _MARK_SECONDS:
                _remove(str(mark))


def _run_watched(request: Request, link: Link | None) -> Reply:
    """Run, and report an out-of-memory kill, which looks like any other SIGKILL inside the sandbox."""
    oom = _own_oom_score()
    process.set_dumpable(False)
    before = _oom_kills()
    reply = run(request, oom, link=link)
    if reply.signal == "SIGKILL" and reply.ending is Ending.SIGNAL and _oom_kills() > before:
        reply.ending = Ending.MEMORY
    return reply


def _own_oom_score() -> int | None:
    """Open the runner's own ``oom_score_adj`` if it is writable and 0, so that it can be raised and reset."""
    try:
        descriptor = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
        if int(os.pread(descriptor, 16, 0)) == 0:
            return descriptor
        os.close(descriptor)
    except (OSError, ValueError):
        return None
    return None


def _oom_kills() -> int:
    try:
        lines = dict(line.split() for line in _OOM_EVENTS.read_text().splitlines())
        return int(lines["oom_kill"])
    except (OSError, KeyError, ValueError):
        return 0


@contextmanager
def _clean(directories: list[str], home: str) -> Iterator[None]:
    """Remove entries that were created in between, except the runner's own directory."""
    before = {directory: set(_entries(directory)) for directory in directories}
    yield
    for directory, known in before.items():
        for name in _entries(directory):
            path = os.path.join(directory, name)
            if name not in known and path != home:
                _remove(path)


def _entries(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _remove(path: str) -> None:
    """Remove a file or a tree; files of other users stay."""
    try:
        os.unlink(path)
    except OSError:
        for directory, _, _ in os.walk(path):
            with suppress(OSError):
                os.chmod(directory, 0o700)
        shutil.rmtree(path, ignore_errors=True)


def _place(order: Order) -> dict[str, Any]:
    return {"refused": files.place(order.workspace, [files.Parcel.from_json(item) for item in order.parcels])}


def _look(order: Order) -> dict[str, Any]:
    return {"look": files.look(order.workspace, order.path, order.most_bytes).to_json()}


def _stop(order: Order) -> dict[str, Any]:
    """Prevent a run from starting, or kill it."""
    mark = Path(order.home, f"ran-{order.path}")
    mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        mark.mkdir(mode=0o700)
    except FileExistsError:
        _kill_tree(mark)
        return {"started": True}
    return {"started": False}


def _kill_tree(mark: Path) -> None:
    """Kill the descendants of the runner that made the mark, then the runner; after its end, the mark is empty."""
    try:
        runner = int(mark.read_text())
    except (OSError, ValueError):
        return
    with suppress(ProcessLookupError):
        os.kill(runner, signal.SIGSTOP)  # else it would start the next step
        _kill_descendants(runner)
        os.kill(runner, signal.SIGKILL)


def _kill_descendants(root: int) -> None:
    """Kill until a scan finds no new process that could fork, for ``_STOP_SECONDS`` at most."""
    killed: set[int] = set()
    deadline = time.monotonic() + _STOP_SECONDS
    while (new := set(kill.descendants(root)) - killed) and time.monotonic() < deadline:
        for pid in new:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed |= new


_VERBS = {"run": _run, "begin": _begin, "resume": _resume, "place": _place, "look": _look, "stop": _stop}

if __name__ == "__main__":
    main(sys.argv[1:])
