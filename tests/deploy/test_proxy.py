"""The proxy of compose.yaml: Caddy with the repository's Caddyfile, in front of servers that log requests."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.contract.live import until
from tests.deploy.servers import free_port, serving
from tests.deploy.tools import ROOT, tool

CADDYFILE = ROOT / "deploy" / "proxy" / "Caddyfile"


class Replica(ThreadingHTTPServer):
    """A replica that logs each request, and how much of its body has come."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str] = []
        self.received = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """Answer, or close the connection without an answer on request."""

    server: Replica
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.requests.append(self.path)
        for _ in range(int(self.headers.get("Content-Length", 0))):
            self.server.received += len(self.rfile.read(1))
        if self.path == "/hang-up":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def replicas() -> Iterator[list[Replica]]:
    """Start two."""
    servers = [Replica(), Replica()]
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def proxy(replicas: list[Replica], tmp_path: Path) -> Iterator[int]:
    """Start Caddy in front of both, and of a third address where nothing listens; return its port."""
    port = free_port()
    upstreams = " ".join(f"127.0.0.1:{one}" for one in (*(server.server_port for server in replicas), free_port()))
    env = {"ADDRESS": "127.0.0.1", "PORT": str(port), "UPSTREAMS": f"to {upstreams}", "HOME": str(tmp_path)}
    arguments = ("run", "--adapter", "caddyfile", "--config", str(CADDYFILE))
    with serving(f"http://127.0.0.1:{port}/ready", tmp_path / "caddy.log", "caddy", *arguments, **env):
        for server in replicas:
            server.requests.clear()
        yield port


def ask(port: int, path: str) -> int:
    """Post on a connection of its own, as LibreChat does; give the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body=b"program")
        return connection.getresponse().status
    finally:
        connection.close()


def test_requests_go_in_turn_and_pass_over_who_cannot_be_reached(replicas: list[Replica], proxy: int) -> None:
    """With one of three replicas down, every request is answered, and both others get their share."""
    assert [ask(proxy, "/exec") for _ in range(12)] == [200] * 12
    shares = [len(server.requests) for server in replicas]
    assert sum(shares) == 12
    assert min(shares) >= 3


def test_a_program_that_a_replica_has_is_not_sent_again(replicas: list[Replica], proxy: int) -> None:
    """A replica that dies over a request leaves it unanswered: 502, and no program runs twice."""
    assert ask(proxy, "/hang-up") == 502
    assert [path for server in replicas for path in server.requests] == ["/hang-up"]


def test_an_upload_passes_through_as_it_comes(replicas: list[Replica], proxy: int) -> None:
    """The replica has the first half of a body before the client sends the second: nothing is buffered."""
    with socket.create_connection(("127.0.0.1", proxy), timeout=30) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: proxy\r\nContent-Length: 20000\r\n\r\n" + b"a" * 10000)
        assert until(lambda: sum(server.received for server in replicas) == 10000)
        client.sendall(b"a" * 10000)
        assert client.recv(12) == b"HTTP/1.1 200"


def test_the_file_is_valid_as_it_stands() -> None:
    """By default it listens on 8080 and finds every address of the service `replica`."""
    done = tool("caddy", "adapt", "--adapter", "caddyfile", "--config", CADDYFILE)
    assert done.returncode == 0, done.stderr
    assert '"listen":["0.0.0.0:8080"]' in done.stdout
    assert '"dynamic_upstreams":{"name":"replica","port":"8000","source":"a"}' in done.stdout
