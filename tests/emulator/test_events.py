"""The stream of events, as a Socket.IO client sees it."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from daytona import AsyncSandbox

from tests.emulator.emulator import KEY, Emulator

_PATIENCE_SECONDS = 60
OPEN, PING, CONNECT = "0", "2", "40"


async def test_a_busy_stream_is_pinged_all_the_same(
    emulator: Emulator, sandbox: AsyncSandbox, monkeypatch: pytest.MonkeyPatch
):
    """Clients answer pings, and take a stream without pings for dead."""
    monkeypatch.setattr("devtools.daytona_emulator.events.PING_SECONDS", 0.2)
    url = f"{emulator.api_url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        assert (await socket.receive_str()).startswith(OPEN)
        await socket.send_str(CONNECT + json.dumps({"token": KEY}))
        assert (await socket.receive_str()).startswith(CONNECT)
        seen: list[str] = []
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while PING not in seen or len(seen) < 3:
                emulator.force(sandbox.id, "stopped")
                seen.append(await socket.receive_str())
