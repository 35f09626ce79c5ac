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
    watcher = asyncio.ensure_future(_wait_for_disconnect(request))
    cancellation = _DisconnectCancellation()
    watcher.add_done_callback(cancellation.cancel)
    try:
        return await work
    except BaseException as error:  # however the work ended, its client has left
        if cancellation.is_only_cause():
            raise ClientLeft("The client closed the connection.") from error
        raise
    finally:
        watcher.remove_done_callback(cancellation.cancel)
        watcher.cancel()


class _DisconnectCancellation:
    """Cancels the current task when the client has left, as ``asyncio.timeout`` does after a timeout."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._is_cancelled = False

    def cancel(self, watcher: asyncio.Task[None]) -> None:
        if self._task is not None and not watcher.cancelled():
            self._is_cancelled = self._task.cancel()

    def is_only_cause(self) -> bool:
        """Return whether the task was cancelled for this reason alone."""
        return self._is_cancelled and self._task is not None and self._task.uncancel() == 0


async def _wait_for_disconnect(request: Request) -> None:
    """Return when the connection is closed; the body was read before, so no other message follows."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
