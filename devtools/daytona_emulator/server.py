"""Serve the emulator: for ever, or from a thread for as long as a test needs it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from devtools.daytona_emulator.application import create_app
from devtools.daytona_emulator.settings import Settings

_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0


def configure(settings: Settings, runtime: Path) -> uvicorn.Config:
    """Configure the server; what is still open after a moment is cut when it stops."""
    return uvicorn.Config(
        create_app(settings, runtime), loop="asyncio", ws="auto", log_level="warning", access_log=False,
        proxy_headers=False, timeout_graceful_shutdown=1, lifespan="on",
    )  # fmt: skip


def listen(host: str, port: int) -> socket.socket:
    """Bind; port 0 takes a free one. Raises ``OSError``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns off Nagle's algorithm, which costs 40 ms a call, only where TCP is named
    sock = socket.socket(family, proto=socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen()  # who comes before the server is up waits
    return sock


def address_of(sock: socket.socket) -> str:
    """Return the URL that a listening socket serves."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def running(settings: Settings, runtime: Path, sock: socket.socket | None = None) -> Iterator[str]:
    """Serve from a thread, by default on a free port of the loopback interface; return the address.

    Raises ``TimeoutError``.
    """
    sock = sock or listen("127.0.0.1", 0)
    server = uvicorn.Server(configure(settings, runtime))
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise TimeoutError("the emulator did not start")
            time.sleep(0.01)
        yield address_of(sock)
    finally:
        server.should_exit = True
        thread.join(_STOP_SECONDS)
        sock.close()
