"""Serve one run over a connected socket.

In: a length and the request. Out: ``STARTED`` at the moment from which the program may have had effects (a run that
never said so may be tried elsewhere), then ``REPLY``, a length and the reply.
"""

from __future__ import annotations

import json
import socket
import struct

from app.runner.messages import Request
from app.runner.run import run

HEADER = struct.Struct(">Q")
STARTED = b"s"
REPLY = b"r"


def serve(wire: socket.socket, oom: int | None = None) -> None:
    """Read one request, run it, answer; do nothing when the other end closes without asking."""
    header = _read(wire, HEADER.size)
    if header is None:
        return
    body = _read(wire, HEADER.unpack(header)[0])
    if body is None:
        return
    reply = run(Request.from_json(json.loads(body)), oom, lambda: wire.sendall(STARTED))
    wire.sendall(REPLY + pack(json.dumps(reply.to_json()).encode()))


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
