"""Limits of connections: size of the head, idle time, and number.

uvicorn has no such limits. It buffers an endless head, waits for one that never comes, and keeps a connection whose
client stopped reading or writing. To have them, serve with
``uvicorn --http librechat_code_interpreter.api.connection_limits:BoundedConnection``.
"""

from __future__ import annotations

import asyncio
import resource
import threading
from typing import ClassVar

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from librechat_code_interpreter.units import KiB

HEAD_BYTES = 64 * KiB
"""Maximum size of a request's head, and of the trailers after its body. A token has at most 16 KiB, LibreChat's 2."""

_RESERVED_DESCRIPTORS = 4096
"""Descriptors reserved for sandboxes (two per session), runs (four each) and the file store."""

_UNREAD_BYTES = 512 * KiB
"""Body bytes buffered before the application asks for them; above that, reading pauses."""

_RECEIVED_BYTES = 256 * KiB

_own = threading.local()

_HEADERS = (
    b"content-type: application/json\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n"
    b"connection: close\r\n"
)
_TOO_LARGE = 431
_ERRORS = {
    400: ("bad_request", "The request is not valid HTTP."),
    _TOO_LARGE: ("too_large", f"The request's head is larger than {HEAD_BYTES} bytes."),
}


class BoundedConnection(HttpToolsProtocol, asyncio.BufferedProtocol):
    """Closes connections that are too slow, send too much, or are too many; errors have JSON bodies (K42)."""

    head_seconds: ClassVar[float] = 20.0
    """Limit from the connection, or the first byte of a later request, to the end of the head (Apache's number)."""

    idle_seconds: ClassVar[float] = 60.0
    """Limit between two pieces of a body, or of a response that the client does not read (nginx's number)."""

    check_seconds: ClassVar[float] = 5.0
    """Interval of the checks; one timer per connection, so that a request costs none."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        super().connection_made(transport)
        self._received = _buffer()
        self._unparsed_bytes = 0  # bytes since the last complete head or piece of a body
        self._is_in_head = True
        self._received_at = self.loop.time()
        self._unsent = (0, 0.0)  # size of the unread output, and since when
        self._check_timer = self.loop.call_later(self.check_seconds, self._check_times)
        if len(self.connections) > max_connections():
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._check_timer.cancel()
        super().connection_lost(exc)

    # --- bytes -------------------------------------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the receive buffer; all connections of a loop share it, one after the other."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """Process the received bytes."""
        self.data_received(self._received[:nbytes])  # type: ignore[arg-type]  # the parser takes any buffer

    def data_received(self, data: bytes) -> None:
        self._unparsed_bytes += len(data)
        is_later_request = self.timeout_keep_alive_task is not None  # the previous request is answered
        if is_later_request or not self._is_in_head:  # the limit covers a head as one unit, however it arrives
            self._received_at = self.loop.time()
        self._is_in_head |= is_later_request
        super().data_received(data)
        if self._unparsed_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._send_error(_TOO_LARGE)

    def on_message_begin(self) -> None:
        self._is_in_head = True
        self._received_at = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self._unparsed_bytes > HEAD_BYTES and self._head_size() > HEAD_BYTES:
            raise ValueError("the head is too large")  # the parser stops at it
        self._unparsed_bytes = 0
        self._is_in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of a body without a copy; uvicorn copies it twice, and stops reading after each."""
        self._unparsed_bytes = 0
        cycle = self._latest()
        if cycle is None or cycle.response_complete:
            return
        cycle.body = cycle.body + body if cycle.body else body  # type: ignore[assignment]  # bytes will do
        if len(cycle.body) > _UNREAD_BYTES:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        super().on_message_complete()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def send_400_response(self, msg: str) -> None:
        """Respond to a parser error."""
        self._send_error(_TOO_LARGE if self._unparsed_bytes > HEAD_BYTES else 400)

    def _send_error(self, status: int) -> None:
        """Send an error response unless one has begun, and close."""
        cycle = self._latest()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            code, message = _ERRORS[status]
            body = orjson.dumps({"error": code, "message": message})
            self.transport.write(STATUS_LINE[status] + _HEADERS + b"content-length: %d\r\n\r\n" % len(body) + body)
        self.transport.close()

    # --- time --------------------------------------------------------------------------------------------------------

    def _check_times(self) -> None:
        """Close a connection that exceeded one of its time limits; else schedule the next check."""
        now = self.loop.time()
        if self._is_late(now) or self._is_unread(now):
            self.transport.abort()
        else:
            self._check_timer = self.loop.call_later(self.check_seconds, self._check_times)

    def _is_late(self, now: float) -> bool:
        """Return whether the rest of a request is overdue."""
        if self._is_in_head:
            return now - self._received_at > self.head_seconds
        cycle = self._latest()
        is_incomplete = (
            cycle is not None and cycle.more_body and not cycle.response_complete and not self.flow.read_paused
        )
        return is_incomplete and now - self._received_at > self.idle_seconds

    def _latest(self) -> RequestResponseCycle | None:
        """Return the last request with a complete head, or ``None``, which uvicorn's annotation leaves out."""
        return self.cycle

    def _is_unread(self, now: float) -> bool:
        """Return whether the client has read nothing of a pending response for too long."""
        size = self.transport.get_write_buffer_size()
        if size == 0 or size != self._unsent[0]:
            self._unsent = (size, now)
        return now - self._unsent[1] > self.idle_seconds


def _buffer() -> memoryview:
    """Return the receive buffer of this thread's loop."""
    if not hasattr(_own, "buffer"):
        _own.buffer = memoryview(bytearray(_RECEIVED_BYTES))
    buffer: memoryview = _own.buffer
    return buffer


def max_connections() -> int:
    """Return the number of connections that leaves enough descriptors for everything else."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(allowed - _RESERVED_DESCRIPTORS, allowed // 2)
