"""Count the spare sandboxes of a deployment in Redis: any replica takes any of them, and each is taken once.

spares             sorted set: sandbox -> since when it waits, by Redis's clock (ms)
tickets            sorted set: who makes a spare -> until when its place is kept for it
guarded            sorted set: sandbox -> until when no sweep may touch it
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any

from app.core.protocols import GUARD_SECONDS
from app.leases.connection import Connection
from app.leases.scripts import PoolScript

_GUARD_MS = round(GUARD_SECONDS * 1000)


class RedisPool:
    """Share spares between replicas, each step one Lua script."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    async def reserve(self, most: int, seconds: float) -> str | None:
        """Give a ticket to make one more spare, if there is room."""
        ticket = secrets.token_hex(8)
        return ticket if await self._run(PoolScript.RESERVE, ticket, round(seconds * 1000), most) else None

    async def fill(self, ticket: str, sandbox_id: str | None) -> bool:
        """Put a spare in the place of a ticket, or give the place up."""
        return bool(await self._run(PoolScript.FILL, ticket, sandbox_id or ""))

    async def claim(self, preferred: Collection[str] = ()) -> str | None:
        """Take a spare, a preferred one or the newest."""
        chosen: bytes = await self._run(PoolScript.CLAIM, _GUARD_MS, *preferred)
        return chosen.decode() or None

    async def withdraw(self, sandbox_id: str) -> bool:
        """Take a certain spare out."""
        return bool(await self._redis.answer(self._redis.client.zrem(self._redis.key("spares"), sandbox_id)))

    async def guard(self, sandbox_id: str) -> None:
        """Keep a sandbox from being swept for a while."""
        await self._run(PoolScript.GUARD, sandbox_id, _GUARD_MS)

    async def kept(self) -> set[str]:
        """Name the spares and the guarded."""
        return {sandbox_id.decode() for sandbox_id in await self._run(PoolScript.KEPT)}

    async def _run(self, script: PoolScript, *args: str | int) -> Any:
        keys = [self._redis.key(name) for name in ("spares", "tickets", "guarded")]
        return await self._redis.run(script, keys, list(args))
