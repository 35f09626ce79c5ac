"""The list of faults, each with its number of repetitions in the full form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.faults import leaving, parts, stores
from tests.faults.count import Count

Fault = Callable[[Path, int], Awaitable[Count]]

KILLS = 200
FAULTS: dict[str, tuple[Fault, int]] = {
    "store-full": (stores.full, 5),
    "store-read-only": (stores.read_only, 5),
    "store-slow": (stores.slow, 10),
    "store-failing": (stores.failing, 20),
    "redis-gone": (parts.redis_gone, 10),
    "redis-slow": (parts.redis_slow, 10),
    "redis-flushed": (parts.redis_flushed, 10),
    "clock-set": (parts.clock_set, 10),
    "zygote-killed": (parts.zygote_killed, 20),
    "zygote-out-of-memory": (parts.zygote_out_of_memory, 10),
    "client-gone": (leaving.client_gone, 20),
}
