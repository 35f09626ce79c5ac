"""Clients that do not send or do not read tie up neither connections nor memory."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from librechat_code_interpreter.api.connection_limits import HEAD_BYTES, BoundedConnection
from librechat_code_interpreter.units import KiB
from tests.connections.server import ANSWER, ENDLESS, Echo, Hasty, serving
from tests.contract import live

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    """Serve with short times."""
    with serving(Hasty) as echo:
        yield echo


def status_of(connection: socket.socket) -> int:
    """Read an answer to its end."""
    received = b""
    while ANSWER not in received:
        chunk = connection.recv(1 << 16)
        assert chunk, received
        received += chunk
    return int(received.split()[1])


def is_closed(connection: socket.socket) -> bool:
    """Wait for the end of the connection; discard what arrives before it."""
    try:
        while connection.recv(1 << 20):
            pass
    except ConnectionResetError:
        pass
    return True


def said_until_closed(connection: socket.socket) -> bytes:
    """Read everything until the connection ends."""
    said = b""
    try:
        while chunk := connection.recv(1 << 16):
            said += chunk
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize(
    "sent",
    [
        b"", b"G", GET[:-2], b"\r\n\r\n", GET[:-2] + b"X: ",
        POST, POST + b"x", CHUNKED, CHUNKED + b"5\r\nab", CHUNKED + b"0\r\n",
    ],
    ids=lambda sent: repr(sent[-12:]),
)  # fmt: skip
def test_a_request_that_never_ended_held_its_connection_for_ever(echo: Echo, sent: bytes) -> None:
    """A connection that sends nothing, part of a head, or part of a body, and then stops, is closed."""
    with echo.connected() as connection:
        connection.sendall(sent)
        assert is_closed(connection)


@pytest.mark.parametrize("before", [b"", GET], ids=["first request", "further request"])
def test_a_head_that_comes_a_byte_at_a_time_was_waited_for_without_end(echo: Echo, before: bytes) -> None:
    """Slowloris: occasional header lines do not extend the time limit of the head."""
    with echo.connected() as connection:
        connection.sendall(before)
        if before:
            assert status_of(connection) == 200
        connection.sendall(b"GET / HTTP/1.1\r\n")

        def has_ended() -> bool:
            try:
                connection.sendall(b"X: y\r\n")
            except OSError:
                return True
            return False

        assert live.until(has_ended)


def test_blank_lines_between_two_requests_kept_a_connection_open(echo: Echo) -> None:
    """Bytes before a request do not extend the time limit either."""
    with echo.connected() as connection:
        connection.sendall(GET)
        assert status_of(connection) == 200
        connection.sendall(b"\r\n")
        assert is_closed(connection)


def test_a_body_that_comes_slowly_is_taken(echo: Echo) -> None:
    """Only silence ends a body: one that takes three times the limit, in pieces, arrives whole."""
    with echo.connected() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 13\r\n\r\nx")
        for _ in range(12):
            connection.settimeout(Hasty.idle_seconds / 4)
            with pytest.raises(TimeoutError):
                connection.recv(1)
            connection.sendall(b"x")
        connection.settimeout(20)
        assert status_of(connection) == 200


def test_a_client_that_stops_to_read_is_left(echo: Echo) -> None:
    """An answer of 64 MiB that the client does not read is aborted."""
    with echo.connected(receive_bytes=4096) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(10)
        assert live.until(lambda: echo.open_connections() == 0)
        assert len(said_until_closed(connection)) < ENDLESS


@pytest.mark.parametrize("sent", [GET, POST[:-4], POST + b"x"], ids=["a request", "half a head", "half a body"])
def test_a_client_that_closes_its_side_has_left(echo: Echo, sent: bytes) -> None:
    """K26: a half-closed connection looks like a closed one, so it ends, whatever was sent before."""
    with echo.connected() as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        assert is_closed(connection)
        assert live.until(lambda: echo.open_connections() == 0)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /", b"a" * 1000),
        (b"GET / HTTP/1.1\r\nX: ", b"a" * 1000),
        (b"GET / HTTP/1.1\r\n", b"X: " + b"a" * 1000 + b"\r\n"),
        (b"GET / HTTP/1.1\r\n" + b"a", b"a" * 1000),
        (b"", b"\r\n" * 500),
        (CHUNKED + b"1\r\na\r\n0\r\n", b"X: " + b"a" * 1000 + b"\r\n"),
        (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"a" * 1000),
        (CHUNKED + b"1;a=", b"a" * 1000),
    ],
    ids=["target", "value", "lines", "name", "blank lines", "trailers", "trailer", "chunk extension"],
)
def test_a_head_without_end_was_gathered_in_memory(echo: Echo, start: bytes, piece: bytes) -> None:
    """A head over 64 KiB is refused with 431, or with the parser's first error."""
    with echo.connected() as connection:
        connection.sendall(start)
        sent = 0
        with pytest.raises(OSError):
            while sent < 4000 * len(piece):  # more than sockets buffer
                connection.sendall(piece)
                sent += len(piece)
        assert live.until(lambda: echo.open_connections() == 0)


def test_a_large_head_that_comes_at_once_is_refused_like_a_slow_one(echo: Echo) -> None:
    """A head of 64 KiB is accepted; a slightly larger one is 431 in JSON, however the network cuts it."""
    for size, status in ((HEAD_BYTES - 200, 200), (HEAD_BYTES + 200, 431)):
        with echo.connected() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\nX: " + b"a" * size + b"\r\n\r\n")
            head, _, body = said_until_closed(connection).partition(b"\r\n\r\n")
            assert int(head.split()[1]) == status
            if status == 431:
                assert json.loads(body)["error"] == "too_large"
                assert b"application/json" in head


def test_what_is_no_http_was_answered_in_plain_text(echo: Echo) -> None:
    """K42: a malformed request is 400 in JSON."""
    with echo.connected() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        head, _, body = said_until_closed(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400") and b"application/json" in head
    assert json.loads(body)["error"] == "bad_request"


def test_connections_took_the_descriptors_that_programs_need(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection above the limit is closed at once; the existing ones continue."""
    monkeypatch.setattr("librechat_code_interpreter.api.connection_limits.max_connections", lambda: 5)
    with ExitStack() as held:
        kept = [held.enter_context(echo.connected()) for _ in range(5)]
        assert live.until(lambda: echo.open_connections() == 5)
        assert is_closed(held.enter_context(echo.connected()))
        for connection in kept:
            connection.sendall(GET)
            assert status_of(connection) == 200


def test_a_body_that_nobody_asks_for_is_not_taken(echo: Echo) -> None:
    """Of a body that the application does not read, half a mebibyte and one piece are buffered."""
    with echo.connected() as connection:
        connection.sendall(b"POST /deaf HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % ENDLESS)
        connection.settimeout(1.0)
        with pytest.raises(TimeoutError):
            connection.sendall(bytes(ENDLESS))
        (connected,) = echo.server.server_state.connections
        assert isinstance(connected, BoundedConnection)
        assert 0 < len(connected.cycle.body) <= 768 * KiB


def test_connections_that_share_a_buffer_do_not_share_bytes(echo: Echo) -> None:
    """Bodies whose pieces are interleaved each reach their own request, whole."""
    with ExitStack() as stack:
        connections = [stack.enter_context(echo.connected()) for _ in range(4)]
        bodies = [bytes([65 + number]) * 300_000 for number in range(4)]
        for connection, body in zip(connections, bodies, strict=True):
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        for start in range(0, 300_000, 50_000):
            for connection, body in zip(connections, bodies, strict=True):
                connection.sendall(body[start : start + 50_000])
        for connection, body in zip(connections, bodies, strict=True):
            answered = b""
            while not answered.endswith(b"\r\n\r\n" + body):
                answered += (more := connection.recv(1 << 20))
                assert more, answered[-100:]
