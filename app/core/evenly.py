"""Say no to what is foreign as slowly as to what is absent (K9): the clock must not tell that something was read."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.errors import NotFound

TICK_SECONDS = 0.01
"""Well above the 0.2 to 0.4 ms that a record takes to be read and parsed, well below what a probe may take (K39)."""

_TIMER_SECONDS = 0.001
"""Event loops round times to this. A part of it by chance makes the rounding even, or it would tell what was before."""


@asynccontextmanager
async def evenly_refused() -> AsyncIterator[None]:
    """Let a ``NotFound`` out of the block at whole ticks after its beginning only."""
    started = time.perf_counter()
    try:
        yield
    except NotFound:
        left = TICK_SECONDS - (time.perf_counter() - started) % TICK_SECONDS
        await asyncio.sleep(left + random.random() * _TIMER_SECONDS)  # noqa: S311  noise, no secret
        raise
