"""Push changes of state to SDK clients, which listen on a Socket.IO stream: just enough of Engine.IO 4 for them.

A client that gets no events polls once a second; one that gets them learns of a start when it happens.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from devtools.daytona_emulator.box import Box
from devtools.daytona_emulator.settings import Settings

_OPEN, _PING, _MESSAGE, _CONNECT, _REFUSE = "0", "2", "4", "40", "44"
PING_SECONDS = 25


class Events:
    """The connected listeners."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listeners: set[asyncio.Queue[str]] = set()

    def publish(self, box: Box, old: str) -> None:
        """Send a sandbox's change of state to every listener."""
        shown = {"id": box.id, "name": box.name, "state": box.state, "desiredState": box.desired}
        event = ["sandbox.state.updated", {"sandbox": shown, "oldState": old, "newState": box.state}]
        for listener in self._listeners:
            listener.put_nowait(f"{_MESSAGE}2{json.dumps(event)}")

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until it leaves."""
        if not self._settings.events:
            await socket.close()
            return
        await socket.accept()
        opening = {"sid": uuid.uuid4().hex, "upgrades": [], "pingInterval": PING_SECONDS * 1000, "pingTimeout": 20000}
        await socket.send_text(_OPEN + json.dumps(opening | {"maxPayload": 1_000_000}))
        try:
            if not await self._admit(socket):
                return
            await self._stream(socket)
        except WebSocketDisconnect:
            return

    async def _admit(self, socket: WebSocket) -> bool:
        greeting = await socket.receive_text()
        auth: dict[str, Any] = json.loads(greeting.removeprefix(_CONNECT) or "{}")
        if auth.get("token") != self._settings.api_key:
            await socket.send_text(f'{_REFUSE}{{"message":"Unauthorized"}}')
            await socket.close()
            return False
        await socket.send_text(f"{_CONNECT}{json.dumps({'sid': uuid.uuid4().hex})}")
        return True

    async def _stream(self, socket: WebSocket) -> None:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(socket, queue))
                tasks.create_task(self._ping(queue))
                while True:
                    await socket.receive_text()
        except* WebSocketDisconnect:
            pass
        finally:
            self._listeners.discard(queue)

    async def _send(self, socket: WebSocket, queue: asyncio.Queue[str]) -> None:
        while True:
            try:
                await socket.send_text(await queue.get())
            except RuntimeError as error:  # the client left between two events
                raise WebSocketDisconnect from error

    async def _ping(self, queue: asyncio.Queue[str]) -> None:
        """Send pings: a client that never has to answer one takes the stream for dead."""
        while True:
            await asyncio.sleep(PING_SECONDS)
            queue.put_nowait(_PING)
