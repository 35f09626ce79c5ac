"""Wait for a condition elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from tests.leases.conformance import PLENTY_SECONDS


async def until(holds: Callable[[], bool]) -> None:
    """Return when a condition is true."""
    deadline = time.monotonic() + PLENTY_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never became true"
        await asyncio.sleep(0.01)
