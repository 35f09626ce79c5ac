"""Rate limits of users and tenants in moving windows: in memory, or in Redis for all replicas.

While Redis is unavailable there is no limit: a missing counter must not stop the service.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from typing import Any

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError
from redis.asyncio import ConnectionPool

from librechat_code_interpreter.core.errors import Busy
from librechat_code_interpreter.core.principal import Principal

log = logging.getLogger(__name__)

WINDOW_SECONDS = 30
"""LibreChat needs at least 40 runs in one window (K42)."""

AWAY_SECONDS = 5.0
"""Time without calls to a Redis that did not respond, so that runs do not wait for it."""


class WindowRates:
    """Limits on the programs that a user, and a tenant, may start in any 30 seconds; 0 means no limit.

    Without a token, the user is the one named by the request, if any. All callers without a token form one tenant.
    """

    def __init__(self, user_runs: int, tenant_runs: int, storage: MemoryStorage | RedisStorage) -> None:
        self._storage = storage
        self._windows = MovingWindowRateLimiter(storage)
        self._user = RateLimitItemPerSecond(user_runs, WINDOW_SECONDS) if user_runs else None
        self._tenant = RateLimitItemPerSecond(tenant_runs, WINDOW_SECONDS) if tenant_runs else None
        self._retry_at = 0.0

    async def admit(self, principal: Principal) -> None:
        """Count one more run. Raises ``Busy``."""
        if time.monotonic() < self._retry_at:
            return
        try:
            if self._user is not None and principal.user:
                await self._count(self._user, "You have", principal.tenant, principal.user)
            if self._tenant is not None:
                await self._count(self._tenant, "Your organisation has", principal.tenant)
        except (StorageError, OSError) as error:
            reason = type(getattr(error, "storage_error", error)).__name__  # its text may contain hosts and users
            log.warning("runs are not limited for now: their counts are away (%s)", reason)
            self._retry_at = time.monotonic() + AWAY_SECONDS

    async def _count(self, limit: RateLimitItemPerSecond, who: str, *names: str | None) -> None:
        key = hashlib.sha256(json.dumps(names).encode()).hexdigest()  # hashed, because it contains people's names
        if await self._windows.hit(limit, key):
            return
        free_at, _ = await self._windows.get_window_stats(limit, key)
        raise Busy(
            f"{who} started {limit.amount} programs within {WINDOW_SECONDS} seconds, which is the limit here.",
            retry_after_seconds=math.ceil(free_at - time.time()),
        )


def in_memory(user_runs: int, tenant_runs: int) -> WindowRates:
    """Create limits for this process."""
    return WindowRates(user_runs, tenant_runs, MemoryStorage())


def in_redis(user_runs: int, tenant_runs: int, connections: ConnectionPool, prefix: str) -> WindowRates:
    """Create limits for all replicas, over connections owned by another object."""
    pool: Any = connections  # accepted by the library, but not annotated
    storage = RedisStorage(
        "async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix=prefix, connection_pool=pool
    )
    return WindowRates(user_runs, tenant_runs, storage)
