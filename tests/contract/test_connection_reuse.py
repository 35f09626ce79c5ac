"""When a connection is kept alive, and when it is closed after its answer (K2)."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from uvicorn import Config, Server

from librechat_code_interpreter.server import KEEP_ALIVE_SECONDS, lengthen_keep_alive
from tests.contract import live
from tests.service import LiveService

CONNECTIONS = 54
LIBRECHAT = "User-Agent: LibreChat/1.0"
NODE_KEEPS_SECONDS = 5.0


def is_closed_by_the_server(connection: socket.socket) -> bool:
    """Return whether the server closes the connection on its own."""
    return connection.recv(1) == b""


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/healthz", 200), ("GET", f"/sessions/{'A' * 21}/objects/{'B' * 21}", 404), ("POST", "/exec", 400)],
)
def test_a_connection_of_librechat_is_closed_after_its_answer(
    live_service: LiveService, method: str, target: str, status: int
) -> None:
    """K2: v0.7.7 to v0.8.3 destroy the socket of a liveness probe 5 s later, whatever it carries by then."""
    with live.connected(live_service) as connection:
        connection.sendall(live.head(live_service, method, target, LIBRECHAT, "Content-Length: 0"))
        assert live.answer_on(connection)[0] == status
        assert is_closed_by_the_server(connection)


def test_librechat_is_told_that_the_connection_ends(live_service: LiveService) -> None:
    """K2: the answer has ``Connection: close``, so that the client's agent does not reuse the socket."""
    with live.connected(live_service) as connection:
        connection.sendall(live.head(live_service, "GET", "/healthz", LIBRECHAT))
        head = connection.recv(65536).partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nconnection: close" in head


def test_a_client_without_a_credential_is_closed_too(live_service: LiveService) -> None:
    """K2: the same for an error answer."""
    with live.connected(live_service) as connection:
        connection.sendall(f"GET /files/{'A' * 21} HTTP/1.1\r\nHost: x\r\n{LIBRECHAT}\r\n\r\n".encode())
        assert live.answer_on(connection)[0] == 401
        assert is_closed_by_the_server(connection)


def test_an_idle_connection_outlives_the_time_at_which_node_closes_its_own(live_service: LiveService) -> None:
    """K2: 54 clients that send again 4.9 to 5.1 s after their last call are answered on the same connection."""

    def speaks_again(number: int) -> int:
        with live.connected(live_service) as connection:
            for pause in (NODE_KEEPS_SECONDS - 0.1 + 0.2 * number / CONNECTIONS, 0.0):
                connection.sendall(live.head(live_service, "GET", "/healthz"))
                live.answer_on(connection)
                time.sleep(pause)
            return 1

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        assert sum(pool.map(speaks_again, range(CONNECTIONS))) == CONNECTIONS


def test_every_way_to_start_the_service_keeps_idle_connections() -> None:
    """K2: whatever server runs the application, as in ``uvicorn app.main:app``; a longer timeout set there is kept."""
    for own, kept in ((5, KEEP_ALIVE_SECONDS), (600, 600)):
        server = Server(Config("app.main:app", timeout_keep_alive=own))
        lengthen_keep_alive(server)
        assert server.config.timeout_keep_alive == kept
