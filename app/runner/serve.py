"""Serve one run over a connected socket.

In: a length and the request. Out: ``STARTED`` at the moment from which the program may have had effects (a run that
never said so may be tried elsewhere), then ``REPLY``, a length and the reply. In between, a run with tools may say
``PAUSE``, a length and what it waits for; in comes a length and the results.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Protocol

from app.runner.messages import Pause, Request, Results
from app.runner.run import run
from app.runner.spawn import PreparedProcess

HEADER = struct.Struct(">Q")
STARTED = b"s"
PAUSE = b"p"
REPLY = b"r"
TIME_ENOUGH = b""


class Meanwhile(Protocol):
    """Be what the two processes can do with their time until there is a request."""

    def runner(self, until: int) -> None:
        """Work until the descriptor has something to read."""
        ...

    def program(self, until: int) -> None:
        """Do the same in the program's process."""
        ...


def serve(
    wire: socket.socket, oom: int | None = None, workspace: str | None = None, meanwhile: Meanwhile | None = None
) -> None:
    """Read one request, run it, answer; do nothing when the other end closes without asking.

    Where the ``workspace`` is known before the request, the program's process is made before, too. An empty message
    says that there is time: both processes do what they can do ``meanwhile``.
    """
    ahead = (
        None
        if workspace is None
        else PreparedProcess(workspace, oom, meanwhile.program if meanwhile is not None else None)
    )
    body = read_message(wire)
    while body == TIME_ENOUGH:
        if ahead is not None and meanwhile is not None:
            ahead.use_time()
            meanwhile.runner(wire.fileno())
        body = read_message(wire)
    if body is None:
        return
    reply = run(Request.from_json(json.loads(body)), oom, lambda: wire.sendall(STARTED), _WireLink(wire), ahead)
    wire.sendall(REPLY + pack(json.dumps(reply.to_json()).encode()))


class _WireLink:
    """Speak of pauses over the same socket."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire

    def fileno(self) -> int:
        return self._wire.fileno()

    def pause(self, pause: Pause) -> None:
        self._wire.sendall(PAUSE + pack(json.dumps(pause.to_json()).encode()))

    def results(self) -> Results | None:
        body = read_message(self._wire)
        return None if body is None else Results.from_json(json.loads(body))


def read_message(wire: socket.socket) -> bytes | None:
    """Read a length and so many bytes; ``None`` when the other end closed."""
    header = _read(wire, HEADER.size)
    return None if header is None else _read(wire, HEADER.unpack(header)[0])


def pack(body: bytes) -> bytes:
    """Put the length before a message."""
    return HEADER.pack(len(body)) + body


def _read(wire: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        chunk = wire.recv(min(size - len(parts), 1 << 20))
        if not chunk:
            return None
        parts += chunk
    return bytes(parts)
