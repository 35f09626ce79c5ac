"""The uvicorn server that runs this application, however it was started."""

from __future__ import annotations

import signal
import threading

from uvicorn import Server

KEEP_ALIVE_SECONDS = 75
"""Time that an idle connection stays open (nginx's number).

Node closes its idle connections after 5 s, and so does uvicorn by default. A client that writes at that moment gets a
reset instead of a response, and does not know whether its program ran.
"""


def running_server() -> Server | None:
    """Return uvicorn's server, or ``None`` if another program serves the application."""
    if threading.current_thread() is not threading.main_thread():
        return None
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, Server) else None


def lengthen_keep_alive(server: Server | None) -> None:
    """Keep idle connections open for at least ``KEEP_ALIVE_SECONDS``. Connections made before keep their time."""
    if server is not None:
        server.config.timeout_keep_alive = max(server.config.timeout_keep_alive, KEEP_ALIVE_SECONDS)
