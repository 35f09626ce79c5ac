"""Clients that disconnect: after the headers, in a body, before the answer, in a download."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from pathlib import Path

from tests.faults.count import Count
from tests.faults.ledger import LARGE, content_of, new_name
from tests.faults.scene import Scene, scene
from tests.faults.service import API_KEY, called, until

_FORM = "multipart/form-data; boundary=x"
_RESET = struct.pack("ii", 1, 0)


class Leaver:
    """One connection whose client leaves, with a normal close or a reset."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))

    def send(self, method: str, path: str, length: int, body: bytes, content_type: str = "application/json") -> None:
        """Send the head of a request and a part of its body."""
        head = f"{method} {path} HTTP/1.1\r\nHost: service\r\nX-API-Key: {API_KEY}\r\nContent-Length: {length}\r\n"
        self._socket.sendall(f"{head}Content-Type: {content_type}\r\n\r\n".encode() + body)

    def read_some(self) -> None:
        """Take the beginning of an answer."""
        assert self._socket.recv(1000).startswith(b"HTTP/1.1 200")

    def leave(self, *, rudely: bool) -> None:
        """Close the connection; ``rudely`` with a reset."""
        if rudely:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._socket.close()


async def client_gone(directory: Path, times: int) -> Count:
    """Nothing of a broken upload is kept, an abandoned run ends, and all resources are freed."""
    async with scene("client gone", directory / "service") as found:
        for number in range(times):
            for stage in (_after_the_headers, _in_the_body, _before_the_answer, _in_the_download):
                await stage(found, rudely=number % 2 == 1)
                found.count.times += 1
        found.count.fault += " (after headers, in body, before answer, in download)"
    return found.count


async def _after_the_headers(found: Scene, *, rudely: bool) -> None:
    for path in ("/exec", "/upload"):
        leaver = Leaver(found.process.port)
        leaver.send(
            "POST", path, 1000, b"", "multipart/form-data; boundary=x" if path == "/upload" else "application/json"
        )
        leaver.leave(rudely=rudely)


async def _in_the_body(found: Scene, *, rudely: bool) -> None:
    leaver = Leaver(found.process.port)
    name = new_name(LARGE)
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    begun = content_of(name)[: 6 << 20]  # so much that the store has begun to write
    await asyncio.to_thread(
        leaver.send, "POST", "/upload", LARGE + 200, head + begun, "multipart/form-data; boundary=x"
    )
    leaver.leave(rudely=rudely)


async def _before_the_answer(found: Scene, *, rudely: bool) -> None:
    name = f"leaving-{os.getpid()}-{found.count.times}"
    body = json.dumps({"lang": "bash", "code": f"sleep 1000 & exec -a {name} sleep 1000"}).encode()
    leaver = Leaver(found.process.port)
    leaver.send("POST", "/exec", len(body), body)
    await until(lambda: called(name, found.process.below()) is not None, "it runs")
    leaver.leave(rudely=rudely)
    await until(lambda: called(name, found.process.below()) is None, "the run that nobody waits for ends")


async def _in_the_download(found: Scene, *, rudely: bool) -> None:
    place = next(place for place, name in found.ledger.files.items() if name.endswith(str(LARGE)))
    leaver = Leaver(found.process.port)
    leaver.send("GET", "/download/{}/{}".format(*place), 0, b"")
    leaver.read_some()
    leaver.leave(rudely=rudely)
