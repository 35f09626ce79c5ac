"""Background tasks: cancelling them."""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_SECONDS = 0.5


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended in any way.

    A cancellation can get lost: a wait with a timeout may report its timeout if both come at the same moment, as
    ``asyncio.wait_for`` before Python 3.12 does. A task that retries forever then continues. So cancel again.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_SECONDS)
