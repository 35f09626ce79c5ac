"""Cancellation-safe work: it completes, or it is undone if its caller was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_unfinished: set[asyncio.Task[Any]] = set()
"""Undo tasks of cancelled callers. The event loop itself would not keep them alive."""


async def whole(work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[None]]) -> T:
    """Run the work and return its result. If the caller is cancelled, the work still completes and is then undone."""
    working = asyncio.create_task(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        undoing = asyncio.create_task(_undo(working, undo))
        _unfinished.add(undoing)
        undoing.add_done_callback(_unfinished.discard)
        raise


async def _undo(working: asyncio.Task[T], undo: Callable[[T], Awaitable[None]]) -> None:
    await asyncio.wait([working])
    if not working.cancelled() and working.exception() is None:
        await undo(working.result())
