"""Access checks before routing: path, credential, profile, size of the body.

Plain ASGI, so that uploads and downloads are streamed unchanged.
"""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from librechat_code_interpreter.api import routes
from librechat_code_interpreter.api.auth import Credentials, credential_form
from librechat_code_interpreter.api.client_fingerprint import LIBRECHAT, signs_of_call
from librechat_code_interpreter.api.errors import error_response
from librechat_code_interpreter.api.in_flight import InFlightRequests
from librechat_code_interpreter.core.errors import (
    Draining,
    ProfileMismatch,
    ServiceError,
    TooLarge,
    Unauthorized,
    UnknownProfile,
)
from librechat_code_interpreter.core.events import Events, LibreChatSpoke, Refused
from librechat_code_interpreter.core.principal import Principal

PROFILE = "default"
TOO_LARGE = 413
PROFILE_HEADER = "X-CodeAPI-Execution-Profile"
_KNOWN_PROFILES = frozenset({"default", "stateful"})
_MAX_USER_AGENT_CHARS = 80
_MAX_DISCARDED_BYTES = 128 * 1024 * 1024
_MAX_DISCARD_SECONDS = 5.0


class AccessMiddleware:
    """Passes requests to the application, or responds with an error."""

    def __init__(
        self, app: ASGIApp, credentials: Credentials, body_max_bytes: int, in_flight: InFlightRequests, events: Events
    ) -> None:
        self.app = app
        self._in_flight = in_flight
        self._events = events
        self._credentials = credentials
        self._body_max_bytes = body_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent_path: str = scope["path"]
        path = routes.plain_path(sent_path)
        scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        body = _Body(receive, None if routes.is_streamed(path) else self._body_max_bytes)
        sender = _ResponseSender(send, body)
        self._in_flight.enter()
        try:
            self._check(scope, Headers(scope=scope), body, sent_path)
            await self.app(scope, body, sender)
        except ServiceError as error:  # raised above, before any response began
            await error_response(error)(scope, receive, sender)
        except asyncio.CancelledError:
            if sender.has_started or not self._in_flight.is_broken_off:
                raise
            await error_response(Draining("The service is stopping."))(scope, receive, sender.stamped)
        finally:
            self._in_flight.leave()

    def _check(self, scope: Scope, headers: Headers, body: _Body, sent_path: str) -> None:
        path: str = scope["path"]
        if not routes.is_public(path):
            scope.setdefault("state", {})["principal"] = self._identify(sent_path, path, headers)
        _check_profile(headers.get("x-codeapi-expected-profile"))
        body.check_announced(headers.get("content-length"))

    def _identify(self, sent_path: str, path: str, headers: Headers) -> Principal:
        user_agent = headers.get("user-agent", "")[:_MAX_USER_AGENT_CHARS]
        try:
            principal = self._credentials.identify(headers)
        except Unauthorized as error:
            route = routes.fixed_path_of(path)
            self._events.tell(Refused(time.time(), error.message, credential_form(headers), route, user_agent))
            raise
        if user_agent.startswith(LIBRECHAT):
            signs = signs_of_call(sent_path, path, headers, principal)
            self._events.tell(LibreChatSpoke(time.time(), user_agent, signs))
        return principal


class _Body:
    """Counts a request's body as it arrives, and discards what is left unread."""

    def __init__(self, receive: Receive, max_bytes: int | None) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._received_bytes = 0
        self._is_complete = False

    def check_announced(self, length: str | None) -> None:
        if self._max_bytes is not None and length is not None and length.isdigit() and int(length) > self._max_bytes:
            raise self._too_large()

    @property
    def excess(self) -> TooLarge | None:
        """Error for a body that exceeded the limit, else ``None``."""
        is_over = self._max_bytes is not None and self._received_bytes > self._max_bytes
        return self._too_large() if is_over else None

    async def __call__(self) -> Message:
        message = await self._next()
        if self.excess:  # the application sees a disconnect; ``_ResponseSender`` sends the real error
            return {"type": "http.disconnect"}
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self._received_bytes += len(message.get("body", b""))
        self._is_complete = not message.get("more_body", False)
        return message

    async def discard_rest(self) -> None:
        """Read the rest of the body, within bounds.

        A client that is still sending when the connection closes sees a reset instead of the response.
        """
        allowed = self._received_bytes + _MAX_DISCARDED_BYTES
        try:
            async with asyncio.timeout(_MAX_DISCARD_SECONDS):
                while not self._is_complete and self._received_bytes < allowed:
                    await self._next()
        except TimeoutError:
            return

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self._max_bytes} bytes.")


def _check_profile(expected: str | None) -> None:
    """Compare the execution profile that the client expects with ours (K4)."""
    if expected in (None, "", PROFILE):
        return
    if expected not in _KNOWN_PROFILES:
        raise UnknownProfile("X-CodeAPI-Expected-Profile: unknown profile.")
    raise ProfileMismatch(
        f"This deployment serves the profile '{PROFILE}' only.", expected=expected or "", actual=PROFILE
    )


class _ResponseSender:
    """Sends the application's response with our header, or an error in its place if the body was too large."""

    def __init__(self, send: Send, body: _Body) -> None:
        self._send = send
        self._body = body
        self._is_replaced = False
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        if self._is_replaced:
            return
        if message["type"] == "http.response.start":
            await self._body.discard_rest()
            if self._body.excess and message["status"] != TOO_LARGE:
                self._is_replaced = True
                await error_response(self._body.excess)({"type": "http"}, self._body, self.stamped)
                return
        await self.stamped(message)

    async def stamped(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            MutableHeaders(scope=message)[PROFILE_HEADER] = PROFILE
        await self._send(message)


def principal_of(connection: HTTPConnection) -> Principal:
    """Return the caller identified by ``AccessMiddleware``."""
    principal: Principal = connection.state.principal
    return principal
