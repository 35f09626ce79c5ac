"""Do a piece of work whole, or undo it: for work that a cancelled request must not leave half done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_unfinished: set[asyncio.Task[Any]] = set()
"""What goes on after its caller was cancelled; the loop itself would not keep it alive."""


async def whole(work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[None]]) -> T:
    """Give what the work gives. If the caller is cancelled meanwhile, the work still ends, and is undone then."""
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
