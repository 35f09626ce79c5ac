"""Run inside one sandbox, as long as it is started: start shells, and touch files as its user would.

It plays the part of Daytona's daemon. File work happens in here, so links and permissions mean what they mean to the
sandbox's own programs and never reach the host's files. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import wire  # type: ignore[import-not-found]  # lies next to this file inside the sandbox

_PR_SET_DUMPABLE = 4
Message = dict[str, Any]


class Agent:
    """Serve one socket until the emulator hangs up."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._shells: dict[int, subprocess.Popen[bytes]] = {}
        self._waiting = selectors.DefaultSelector()

    def serve(self) -> None:
        """Answer requests; report each shell's end as the answer to the request that started it."""
        self._waiting.register(self._sock, selectors.EVENT_READ)
        wire.send(self._sock, {"id": 0, "ok": True})
        while True:
            for key, _ in self._waiting.select():
                if key.fileobj is self._sock:
                    self._answer(*wire.receive(self._sock))
                else:
                    self._report(int(key.fd), int(key.data))

    def _answer(self, request: Message, descriptors: list[int]) -> None:
        try:
            if request["op"] == "exec":
                self._start(request, *descriptors)
                return
            if request["op"] == "kill":
                self._kill(int(request["exec"]))
                answered: tuple[Message, list[int]] = ({}, [])
            else:
                answered = FILE_WORK[request["op"]](request)
            result, given = answered
            wire.send(self._sock, {"id": request["id"], "ok": True, **result}, given)
            for descriptor in given:
                os.close(descriptor)
        except OSError as error:
            refusal = {"errno": error.errno or 0, "error": error.strerror or str(error)}
            wire.send(self._sock, {"id": request["id"], "ok": False, **refusal})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _start(self, request: Message, stdin: int, output: int) -> None:
        """Start a process group whose two outputs are one stream."""
        env = {**os.environ, **request["env"]}
        shell = subprocess.Popen(
            request["argv"], cwd=request["cwd"], env=env, stdin=stdin, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        self._shells[request["id"]] = shell
        self._waiting.register(os.pidfd_open(shell.pid), selectors.EVENT_READ, request["id"])

    def _report(self, pidfd: int, request: int) -> None:
        self._waiting.unregister(pidfd)
        os.close(pidfd)
        wire.send(self._sock, {"id": request, "ok": True, "code": self._shells.pop(request).wait()})

    def _kill(self, request: int) -> None:
        shell = self._shells.get(request)
        if shell is not None:
            os.killpg(shell.pid, signal.SIGKILL)


def open_file(request: Message) -> tuple[Message, list[int]]:
    """Open a regular file and hand its descriptor over; ``parents`` makes the directories above it first."""
    path = request["path"]
    if request.get("parents"):
        os.makedirs(os.path.dirname(path) or "/", exist_ok=True)
    descriptor = os.open(path, int(request["flags"]) | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise IsADirectoryError(21, "is a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file")
    return {"size": found.st_size}, [descriptor]


def stat_path(request: Message) -> tuple[Message, list[int]]:
    """Describe a file or directory."""
    return {"info": describe(request["path"], os.stat(request["path"]))}, []


def list_directory(request: Message) -> tuple[Message, list[int]]:
    """Describe what a directory holds, to a depth."""
    return {"infos": list(_entries(request["path"], int(request["depth"])))}, []


def _entries(path: str, depth: int) -> Iterator[Message]:
    for entry in sorted(os.scandir(path), key=lambda found: found.name):
        yield describe(entry.path, entry.stat(follow_symlinks=False))
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path, depth - 1)


def describe(path: str, found: os.stat_result) -> Message:
    """Return what a file's description is made of."""
    return {
        "path": path, "size": found.st_size, "mode": found.st_mode, "mtime": found.st_mtime,
        "uid": found.st_uid, "gid": found.st_gid,
    }  # fmt: skip


def make_directory(request: Message) -> tuple[Message, list[int]]:
    """Make a directory and those above it."""
    os.makedirs(request["path"], exist_ok=True)
    os.chmod(request["path"], int(request["mode"]))
    return {}, []


def remove(request: Message) -> tuple[Message, list[int]]:
    """Remove a file, or a directory with its contents if ``recursive``."""
    path = request["path"]
    if os.path.isdir(path) and not os.path.islink(path):
        if not request["recursive"]:
            raise IsADirectoryError(21, "is a directory; say recursive")
        shutil.rmtree(path)
    else:
        os.unlink(path)
    return {}, []


def move(request: Message) -> tuple[Message, list[int]]:
    """Rename a file or directory."""
    os.rename(request["source"], request["destination"])
    return {}, []


def change_mode(request: Message) -> tuple[Message, list[int]]:
    """Set permissions."""
    os.chmod(request["path"], int(request["mode"]))
    return {}, []


FILE_WORK: dict[str, Callable[[Message], tuple[Message, list[int]]]] = {
    "open": open_file,
    "stat": stat_path,
    "list": list_directory,
    "mkdir": make_directory,
    "remove": remove,
    "move": move,
    "chmod": change_mode,
}


def main() -> None:
    """Serve the inherited socket. Programs of the sandbox, which have our uid, may not look into this process."""
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    try:
        Agent(sock).serve()
    except ConnectionError:
        sys.exit(0)


if __name__ == "__main__":
    main()
