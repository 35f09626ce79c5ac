"""Talk between the emulator and the agent inside a sandbox: JSON packets with file descriptors.

Both sides import this; inside the sandbox it lies next to the agent. Standard library only.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from typing import Any

_PACKET = 128 * 1024
_INLINE = 64 * 1024
_MOST_DESCRIPTORS = 4
_HERE, _ASIDE = b"H", b"A"


def send(sock: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one packet; a message too long for one travels in a descriptor of its own, the last."""
    body = json.dumps(message).encode()
    if len(body) <= _INLINE:
        socket.send_fds(sock, [_HERE + body], descriptors)
        return
    aside = os.memfd_create("message")
    try:
        with os.fdopen(aside, "wb", closefd=False) as stream:
            stream.write(body)
        socket.send_fds(sock, [_ASIDE], [*descriptors, aside])
    finally:
        os.close(aside)


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Receive one packet. Raises ``ConnectionError`` at the end."""
    packet, descriptors, _, _ = socket.recv_fds(sock, _PACKET, _MOST_DESCRIPTORS)
    if not packet:
        raise ConnectionResetError("the other side is gone")
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    if packet[:1] == _HERE:
        return _parsed(packet[1:]), list(descriptors)
    aside = descriptors.pop()
    size = os.fstat(aside).st_size
    with os.fdopen(aside, "rb") as stream:
        return _parsed(os.pread(stream.fileno(), size, 0)), list(descriptors)


def _parsed(body: bytes) -> dict[str, Any]:
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ConnectionAbortedError("not a message")
    return message
