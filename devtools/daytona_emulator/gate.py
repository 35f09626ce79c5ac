"""Middleware before all routes: logs the call, adds latency, applies a fault, checks the key."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from devtools.daytona_emulator.errors import Problem
from devtools.daytona_emulator.faults import Fault, Faults
from devtools.daytona_emulator.journal import Entry, Journal
from devtools.daytona_emulator.settings import Settings

ADMIN = "/__emulator"
_OPEN_PATHS = (ADMIN, "/api/config")


class AccessMiddleware:
    """Wrap the application."""

    def __init__(self, app: ASGIApp, settings: Settings, faults: Faults, journal: Journal) -> None:
        self._app = app
        self._settings = settings
        self._faults = faults
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one call."""
        if scope["type"] not in ("http", "websocket") or scope["path"].startswith(ADMIN):
            await self._app(scope, receive, send)
            return
        method, path = scope.get("method", "WS"), scope["path"]
        entry = self._journal.begin(method, path, scope["query_string"].decode("latin-1"))
        fault = self._faults.strike(method, path)
        began = time.monotonic()
        try:
            await asyncio.sleep(self._settings.latency_seconds + (fault.delay_seconds if fault else 0))
            counted = _counting(entry, receive)
            if fault is None:
                await self._serve(scope, counted, _noting(entry, send))
            else:
                await self._strike(fault, scope, counted, _noting(entry, send), send)
        finally:
            entry.seconds = round(time.monotonic() - began, 6)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._admits(scope):
            problem = Problem(401, "Unauthorized")
            await JSONResponse(problem.body(scope["method"], scope["path"]), 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        wanted = f"Bearer {self._settings.api_key}".encode()
        return scope["path"].startswith(_OPEN_PATHS) or (b"authorization", wanted) in scope["headers"]

    async def _strike(self, fault: Fault, scope: Scope, receive: Receive, send: Send, raw: Send) -> None:
        if fault.cut_bytes is not None:
            await self._serve(scope, receive, _cutting(fault.cut_bytes, send, raw))
            await _until_disconnect(receive)
            return
        if fault.work:
            await self._serve(scope, receive, _swallow)
        if fault.drop:
            _transport(raw).abort()
        if fault.drop or fault.hang:
            await _until_disconnect(receive)
        elif fault.status is not None:
            await _answer(fault, scope, send)
        elif not fault.work:
            await self._serve(scope, receive, send)


async def _answer(fault: Fault, scope: Scope, send: Send) -> None:
    """Send the fault's own answer; a fault without a body sends none, and no type of it."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    content, kind = fault.content()
    headers = {"content-length": str(len(content))} | ({"content-type": kind} if content else {}) | fault.headers
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": fault.status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


async def _until_disconnect(receive: Receive) -> None:
    while not (await receive())["type"].endswith("disconnect"):
        pass


async def _swallow(_: Message) -> None:
    """Send nothing."""


def _transport(send: Send) -> Any:
    """Return the connection: uvicorn's ``send`` is a method of what owns it."""
    return send.__self__.transport  # type: ignore[attr-defined]


def _noting(entry: Entry, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            entry.status = message["status"]
        elif message["type"] == "websocket.accept":
            entry.status = 101
        entry.sent_bytes += len(message.get("body") or b"")
        await send(message)

    return noting


def _counting(entry: Entry, receive: Receive) -> Receive:
    async def counting() -> Message:
        message = await receive()
        entry.received_bytes += len(message.get("body") or b"")
        return message

    return counting


def _cutting(limit: int, send: Send, raw: Send) -> Send:
    """Let ``limit`` bytes of the body pass, then close the connection."""
    left = limit

    async def cutting(message: Message) -> None:
        nonlocal left
        if message["type"] != "http.response.body":
            await send(message)
            return
        if left < 0:
            return
        body = message.get("body", b"")[:left]
        left -= len(message.get("body", b""))
        await send({"type": "http.response.body", "body": body, "more_body": True})
        if left <= 0:
            left = -1
            _transport(raw).close()

    return cutting
