"""Minimal HTTP client on bare sockets, so that the client's own work does not show in the measurements."""

from __future__ import annotations

import json
import re
import socket

from bench.measure import Failed, Refused

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_CHUNK = 1 << 16


def request(key: str, method: str, path: str, body: object = None) -> bytes:
    """Write a request once, to be sent many times."""
    content = json.dumps(body).encode() if body is not None else b""
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


class Wire:
    """Keep one connection; ``fresh`` makes a new one for each request, as LibreChat's clients do."""

    def __init__(self, port: int, *, fresh: bool = False) -> None:
        self._port = port
        self._fresh = fresh
        self._socket: socket.socket | None = None

    def ask(self, text: bytes, expects: bytes = b"") -> bytes:
        """Send a request and return the body. Raises ``Failed`` unless it is a 200 that contains what is expected.

        Raises ``Refused`` for a 429.
        """
        if self._socket is None or self._fresh:
            self.close()
            self._socket = socket.create_connection(("127.0.0.1", self._port), 60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(text)
        head, body = _answer(self._socket)
        if b" 429 " in head[:20]:
            raise Refused
        if b" 200 " not in head[:20] or expects not in body:
            raise Failed(f"{head[:60]!r} {body[:100]!r}")
        return body

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _answer(sock: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    found = _LENGTH.search(head)
    wanted = int(found.group(1)) if found else 0
    parts = bytearray(body)
    while len(parts) < wanted:
        parts += _more(sock)
    return head, bytes(parts)


def _more(sock: socket.socket) -> bytes:
    chunk = sock.recv(_CHUNK)
    if not chunk:
        raise Failed("the connection was closed")
    return chunk
