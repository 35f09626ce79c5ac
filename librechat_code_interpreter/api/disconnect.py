"""Client disconnects: work for a request is cancelled when its client leaves (K26)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import Request

from librechat_code_interpreter.core.errors import ClientLeft

T = TypeVar("T")


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Await the work; cancel it when the client closes the connection. Raises ``ClientLeft`` then.

    The work runs in the request's own task: another task would cost a tenth of the service's share of a request.
    """
    watching = asyncio.ensure_future(_left(request))
    leaving = _Leaving()
    watching.add_done_callback(leaving.tell)
    try:
        return await work
    except BaseException as error:  # however the work ended, its client has left
        if leaving.is_the_reason():
            raise ClientLeft("The client closed the connection.") from error
        raise
    finally:
        watching.remove_done_callback(leaving.tell)
        watching.cancel()


class _Leaving:
    """Cancels the current task when the client has left, as ``asyncio.timeout`` does after a timeout."""

    def __init__(self) -> None:
        self._working = asyncio.current_task()
        self._is_told = False

    def tell(self, watching: asyncio.Task[None]) -> None:
        if self._working is not None and not watching.cancelled():
            self._is_told = self._working.cancel()

    def is_the_reason(self) -> bool:
        """Return whether the task was cancelled for this reason alone."""
        return self._is_told and self._working is not None and self._working.uncancel() == 0


async def _left(request: Request) -> None:
    """Return when the connection is closed; the body was read before, so no other message follows."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
