"""Background thread that releases kernel resources.

Closing the last descriptor of a mount namespace unmounts its mounts, and a control group is emptied before its removal.
Each takes up to three milliseconds, in which the event loop would serve no request.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_thread = ThreadPoolExecutor(1, thread_name_prefix="release")


def soon(work: Callable[[], None]) -> None:
    """Queue work, which runs after all work queued before. It must not raise."""
    _thread.submit(work)


def close_soon(*descriptors: int) -> None:
    """Queue the closing of descriptors; negative ones are ignored."""
    held = [descriptor for descriptor in descriptors if descriptor >= 0]
    if held:
        soon(lambda: _close_all(held))


async def all_done() -> None:
    """Wait until all work queued so far is done."""
    await asyncio.get_running_loop().run_in_executor(_thread, _nothing)


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _nothing() -> None:
    return
