"""Requests in flight, so that a shutdown can wait for their responses."""

from __future__ import annotations

import asyncio


class InFlightRequests:
    """Tasks that handle requests."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object] | None] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.is_broken_off = False

    def enter(self) -> None:
        """Add the current task."""
        self._tasks.add(asyncio.current_task())
        self._quiet.clear()

    def leave(self) -> None:
        """Remove the current task: its request was answered, or its client left."""
        self._tasks.discard(asyncio.current_task())
        if not self._tasks:
            self._quiet.set()

    async def quiet(self) -> None:
        """Wait until no request is in flight."""
        await self._quiet.wait()

    def break_off(self) -> int:
        """Cancel all tasks and return their number."""
        self.is_broken_off = True
        for task in self._tasks:
            if task is not None:
                task.cancel()
        return len(self._tasks)
