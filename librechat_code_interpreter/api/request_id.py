"""Outermost middleware: request id, default response headers, and an event for each response.

Plain ASGI, and cheap: a few microseconds per request.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from librechat_code_interpreter.api import routes
from librechat_code_interpreter.api.client_fingerprint import LIBRECHAT
from librechat_code_interpreter.core import request_context
from librechat_code_interpreter.core.events import Answered, Events
from librechat_code_interpreter.core.ids import new_number

Header = tuple[bytes, bytes]

REQUEST_ID = b"x-request-id"
_ACCEPTED_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")

_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_DATA: tuple[Header, ...] = (
    *_ALWAYS,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_PAGE: tuple[Header, ...] = (
    *_ALWAYS,
    (
        b"content-security-policy",  # Swagger's page starts itself by an inline script
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
        b" img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
)
"""Added to every response that lacks such a header: ``_DATA`` to data, ``_PAGE`` to browser pages and their files."""

_CLOSE: Header = (b"connection", b"close")
"""Ends the connection after the response.

LibreChat v0.7.7 to v0.8.3 sets a five-second timer that destroys a liveness probe's socket, even if another request
uses that socket by then (K2).
"""

_NAMES = frozenset(name for name, _ in (*_PAGE, *_DATA, _CLOSE))
_LIBRECHAT = LIBRECHAT.encode("ascii")


class RequestIdMiddleware:
    """Middleware around the complete application."""

    def __init__(self, app: ASGIApp, events: Events) -> None:
        self.app = app
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _client_id(scope["headers"]) or new_number()
        route = routes.name_of(routes.plain_path(scope["path"]))
        headers = _PAGE if route in routes.PAGE_NAMES else _DATA
        if is_librechat(scope["headers"]):
            headers = (*headers, _CLOSE)
        request_context.begin(request_id)
        sender = _ResponseSender(send, request_id, headers)
        try:
            await self.app(scope, receive, sender)
        finally:
            self._events.tell(Answered(route, sender.status, time.perf_counter() - started))


class _ResponseSender:
    """Forwards a response and adds missing headers."""

    __slots__ = ("_headers", "_request_id", "_send", "status")

    def __init__(self, send: Send, request_id: str, headers: tuple[Header, ...]) -> None:
        self._send = send
        self._request_id = request_id
        self._headers = headers
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            names = [name for name, _ in headers if name in _NAMES]
            added = [header for header in self._headers if header[0] not in names] if names else self._headers
            message["headers"] = [*headers, *added, (REQUEST_ID, self._request_id.encode("ascii"))]
        await self._send(message)


def is_librechat(headers: Iterable[Header]) -> bool:
    """Return whether a request's ``User-Agent`` is LibreChat's."""
    return any(name == b"user-agent" and value.startswith(_LIBRECHAT) for name, value in headers)


def _client_id(headers: Iterable[Header]) -> str:
    """Return the id that the client or a proxy set, if it is safe to log; else an empty string."""
    for name, value in headers:
        if name == REQUEST_ID:
            return value.decode("ascii") if _ACCEPTED_ID.fullmatch(value) else ""
    return ""
