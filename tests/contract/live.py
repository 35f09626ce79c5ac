"""Requests to the live service over a bare socket, where a client library would normalise too much."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.contract.caller import form
from tests.service import LiveService

WITHIN_SECONDS = 60


@contextmanager
def connected(service: LiveService) -> Iterator[socket.socket]:
    """Open a connection."""
    host, port = service.host.split(":")
    with socket.create_connection((host, int(port)), timeout=WITHIN_SECONDS) as connection:
        yield connection


def head(service: LiveService, method: str, target: str, *lines: str) -> bytes:
    """Write the head of a request with the key in it."""
    always = [f"{method} {target} HTTP/1.1", f"Host: {service.host}", f"X-API-Key: {service.api_key}"]
    return "\r\n".join([*always, *lines, "", ""]).encode()


def exec_request(service: LiveService, target: str = "/exec", **body: Any) -> bytes:
    """Write a whole request to run something."""
    content = json.dumps(body).encode()
    return head(service, "POST", target, "Content-Type: application/json", f"Content-Length: {len(content)}") + content


def answer_on(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Read one answer in JSON."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer.status, json.loads(answer.read())


class Upload:
    """An upload of one file whose content the test sends itself: head, start, content, end."""

    def __init__(self, service: LiveService) -> None:
        headers, body = form((b'name="file"; filename="big.bin"', b""))
        start, separator, self.end = body.partition(b"\r\n\r\n")
        self.start = start + separator
        self._service = service
        self._content_type = f"Content-Type: {headers['Content-Type']}"

    def head(self, size: int) -> bytes:
        """Write the request's head, announcing a file of this many bytes."""
        return self._head(f"Content-Length: {len(self.start) + size + len(self.end)}")

    def chunked_head(self) -> bytes:
        """Write the request's head, announcing chunks."""
        return self._head("Transfer-Encoding: chunked")

    def _head(self, framing: str) -> bytes:
        return head(self._service, "POST", "/upload", self._content_type, framing)


def chunk(content: bytes) -> bytes:
    """Write one piece of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def until(happened: Callable[[], bool]) -> bool:
    """Wait for a condition; return whether it came true."""
    deadline = time.monotonic() + WITHIN_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_running(*argv: str) -> bool:
    """Return whether a process with this command line is alive, in whatever namespace."""
    wanted = b"\0".join(part.encode() for part in argv) + b"\0"
    return any(cmdline(process) == wanted for process in Path("/proc").glob("[0-9]*"))


def cmdline(process: Path) -> bytes:
    """Return a process's arguments, each ended by NUL; none if it has ended."""
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def stored(service: LiveService) -> set[Path]:
    """Name every file in the service's store, which may shrink meanwhile."""
    walk = os.walk(service.log.parent / "store")  # which passes over a directory that is gone, as ``rglob`` does not
    return {Path(directory, name) for directory, _, names in walk for name in names}
