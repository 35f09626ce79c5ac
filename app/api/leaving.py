"""Notice that a client has left, and stop working for it (K26)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from app.core.errors import ClientLeft

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T] | asyncio.Task[T]) -> T:
    """Do the work, or cancel it when the client closes the connection. Raises ``ClientLeft`` then."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientLeft("The client closed the connection.")
    finally:
        for task in (watching, working):
            task.cancel()
        await asyncio.gather(watching, working, return_exceptions=True)  # an error that nobody waits for is none


async def _left(request: Request) -> None:
    """Return when the connection is closed; the body was read before, so nothing else is to come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
