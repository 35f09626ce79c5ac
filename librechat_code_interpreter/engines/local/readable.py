"""Event-loop wait for a readable descriptor."""

from __future__ import annotations

import asyncio


async def readable(descriptor: int) -> None:
    """Wait until there is something to read: a packet, the end of a stream, or the end of a pidfd's process."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
