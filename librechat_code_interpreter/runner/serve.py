"""Server for one run over a connected socket.

It receives a length and the request. It sends ``STARTED`` right before the program may have effects, then ``REPLY``, a
length and the reply. A run that never sent ``STARTED`` may be retried elsewhere. In between, a run with tools may send
``PAUSE``, a length and the pending calls; then it receives a length and the results.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Protocol

from librechat_code_interpreter.runner.messages import Pause, Request, Results
from librechat_code_interpreter.runner.run import run
from librechat_code_interpreter.runner.spawn import PreparedProcess

HEADER = struct.Struct(">Q")
STARTED = b"s"
PAUSE = b"p"
REPLY = b"r"
TIME_ENOUGH = b""


class Meanwhile(Protocol):
    """Work that the two processes of a run can do until a request arrives."""

    def runner(self, until: int) -> None:
        """Work until the descriptor is readable."""
        ...

    def program(self, until: int) -> None:
        """Work in the program's process until the descriptor is readable."""
        ...


def serve(
    wire: socket.socket,
    oom: int | None = None,
    workspace: str | None = None,
    meanwhile: Meanwhile | None = None,
    *,
    serves_forks: bool = False,
) -> None:
    """Read one request, run it and reply; do nothing if the other end closes without a request.

    If the ``workspace`` is known before the request, the program's process is created in advance, too. An empty message
    signals idle time: both processes do their ``meanwhile`` work.
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
    request = Request.from_json(json.loads(body))
    reply = run(request, oom, lambda: wire.sendall(STARTED), _WireLink(wire), ahead, serves_forks=serves_forks)
    wire.sendall(REPLY + pack(json.dumps(reply.to_json()).encode()))


class _WireLink:
    """Link that sends pauses and receives results over the same socket."""

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
    """Read a length and that many bytes; return ``None`` if the other end closed."""
    header = _read(wire, HEADER.size)
    return None if header is None else _read(wire, HEADER.unpack(header)[0])


def pack(body: bytes) -> bytes:
    """Prefix a message with its length."""
    return HEADER.pack(len(body)) + body


def _read(wire: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        chunk = wire.recv(min(size - len(parts), 1 << 20))
        if not chunk:
            return None
        parts += chunk
    return bytes(parts)
