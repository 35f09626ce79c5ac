"""Notice that a client has left, and stop working for it (K26)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

from app.core.errors import ClientLeft

T = TypeVar("T")


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Do the work, or cancel it when the client closes the connection. Raises ``ClientLeft`` then.

    It is done in the request's own task; one more for it would take a tenth of the service's share of a request.
    """
    watching = asyncio.ensure_future(_left(request))
    leaving = _Leaving()
    watching.add_done_callback(leaving.tell)
    try:
        return await work
    except BaseException as error:  # whatever the work makes of its end, nobody waits for it any more
        if leaving.is_the_reason():
            raise ClientLeft("The client closed the connection.") from error
        raise
    finally:
        watching.remove_done_callback(leaving.tell)
        watching.cancel()


class _Leaving:
    """Cancel the current task when the client has left, as ``asyncio.timeout`` does when the time is over."""

    def __init__(self) -> None:
        self._working = asyncio.current_task()
        self._is_told = False

    def tell(self, watching: asyncio.Task[None]) -> None:
        if self._working is not None and not watching.cancelled():
            self._is_told = self._working.cancel()

    def is_the_reason(self) -> bool:
        """Tell whether nobody else cancelled the task too."""
        return self._is_told and self._working is not None and self._working.uncancel() == 0


async def _left(request: Request) -> None:
    """Return when the connection is closed; the body was read before, so nothing else is to come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
