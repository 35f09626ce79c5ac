"""End what runs in the background."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_SECONDS = 0.5


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and return when it has ended, in whatever way.

    A cancellation can get lost: what waits with a time limit may tell of its own time-out when both come at the same
    moment (``asyncio.wait_for`` before Python 3.12 does), and a task that tries again for ever goes on. So it is
    said again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_SECONDS)
