"""The service's connection limits, with short times, around an application that only echoes."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import uvicorn
from starlette.types import Receive, Scope, Send

from librechat_code_interpreter.api.connection_limits import BoundedConnection
from librechat_code_interpreter.units import MiB

WITHIN_SECONDS = 60
ANSWER = b"all of it"
ENDLESS = 64 * MiB


class Hasty(BoundedConnection):
    """Short time limits."""

    head_seconds: ClassVar[float] = 0.4
    idle_seconds: ClassVar[float] = 0.4
    check_seconds: ClassVar[float] = 0.05


@dataclass(frozen=True)
class Echo:
    """A running server."""

    port: int
    server: uvicorn.Server

    @contextmanager
    def connected(self, receive_bytes: int | None = None) -> Iterator[socket.socket]:
        """Open a connection; with a small buffer for answers, if one is wanted."""
        with socket.socket() as connection:
            if receive_bytes is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            connection.settimeout(WITHIN_SECONDS)
            connection.connect(("127.0.0.1", self.port))
            yield connection

    def open_connections(self) -> int:
        """Count the connections that the server holds."""
        return len(self.server.server_state.connections)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the whole body, then answer briefly; ``/endless`` with 64 MiB, ``/echo`` with the body.

    ``/deaf`` reads nothing.
    """
    assert scope["type"] == "http"
    if scope["path"] == "/deaf":
        await asyncio.Event().wait()
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        if not message.get("more_body"):
            break
    if scope["path"] == "/echo":
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})
        return
    size = ENDLESS if scope["path"] == "/endless" else len(ANSWER)
    length = (b"content-length", str(size).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    if scope["path"] != "/endless":
        await send({"type": "http.response.body", "body": ANSWER})
        return
    for left in range(ENDLESS // MiB - 1, -1, -1):
        await send({"type": "http.response.body", "body": bytes(MiB), "more_body": left > 0})


@contextmanager
def serving(protocol: type[BoundedConnection]) -> Iterator[Echo]:
    """Serve in a thread, and stop afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(answer, http=protocol, lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        living = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        living.start()
        try:
            yield Echo(listening.getsockname()[1], server)
        finally:
            server.should_exit = server.force_exit = True
            living.join(WITHIN_SECONDS)
