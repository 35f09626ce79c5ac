"""Know the requests under way, so that a service that stops can wait for their answers."""

from __future__ import annotations

import asyncio


class InFlightRequests:
    """Hold the tasks that answer requests."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object] | None] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.is_broken_off = False

    def enter(self) -> None:
        """Count the request that the current task answers."""
        self._tasks.add(asyncio.current_task())
        self._quiet.clear()

    def leave(self) -> None:
        """Count it no more: it was answered, or nobody waits for its answer."""
        self._tasks.discard(asyncio.current_task())
        if not self._tasks:
            self._quiet.set()

    async def quiet(self) -> None:
        """Return at a moment when no request is under way."""
        await self._quiet.wait()

    def break_off(self) -> int:
        """Cancel what is under way; give its number."""
        self.is_broken_off = True
        for task in self._tasks:
            if task is not None:
                task.cancel()
        return len(self._tasks)
