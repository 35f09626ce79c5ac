"""Give things back to the kernel in a thread of their own.

The last descriptor of a mount namespace takes its mounts apart, and a control group is emptied before it goes: up to
three milliseconds each, in which the event loop would serve nobody.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_thread = ThreadPoolExecutor(1, thread_name_prefix="release")


def soon(work: Callable[[], None]) -> None:
    """Do it after whatever was asked for before; it must not raise."""
    _thread.submit(work)


def close_soon(*descriptors: int) -> None:
    """Close descriptors; negative ones are none."""
    held = [descriptor for descriptor in descriptors if descriptor >= 0]
    if held:
        soon(lambda: _close_all(held))


async def all_done() -> None:
    """Wait until everything that was asked for so far is done."""
    await asyncio.get_running_loop().run_in_executor(_thread, _nothing)


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _nothing() -> None:
    return
