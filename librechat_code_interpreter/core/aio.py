"""Work that a cancellation of its caller must not interrupt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_background: set[asyncio.Future[Any]] = set()
"""Strong references to what outlives its caller; the event loop has only weak ones."""


async def finish(
    work: Awaitable[T],
    undo: Callable[[T], Awaitable[None]] | None = None,
    background: set[asyncio.Future[Any]] = _background,
) -> T:
    """Return the result of work that runs to its end even if the caller is cancelled.

    Without ``undo``, a cancelled caller waits for that end, because it owns what the work uses. With ``undo``, it does
    not wait: ``undo`` later receives the result, unless the work fails. Until then, ``background`` has the tasks.
    """
    task = asyncio.ensure_future(work)
    if undo is not None:
        _keep(task, background)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if undo is not None:
            _keep(asyncio.create_task(_undo(task, undo)), background)
        while undo is None and not task.done():
            with suppress(asyncio.CancelledError):  # a second cancellation changes nothing
                await asyncio.wait([task])
        raise


async def _undo(task: asyncio.Future[T], undo: Callable[[T], Awaitable[None]]) -> None:
    await asyncio.wait([task])
    if not task.cancelled() and task.exception() is None:
        await undo(task.result())


def _keep(task: asyncio.Future[Any], tasks: set[asyncio.Future[Any]]) -> None:
    tasks.add(task)
    task.add_done_callback(tasks.discard)
