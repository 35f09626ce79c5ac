"""Shared pool of warm sandboxes in Redis: every replica may take any of them, and each is taken once.

spares             sorted set: sandbox -> time of entry, by Redis's clock (ms)
tickets            sorted set: ticket of a sandbox being created -> expiry of its reservation
guarded            sorted set: sandbox -> end of its protection from the sweep
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from typing import Any, Literal

from librechat_code_interpreter.core.protocols import GUARD_SECONDS
from librechat_code_interpreter.leases.connection import Connection

Command = Literal["reserve", "fill", "claim", "guard", "kept"]
"""Commands of ``pool.lua``."""

_GUARD_MS = round(GUARD_SECONDS * 1000)


class RedisPool:
    """Warm sandboxes shared by replicas; each step is one atomic command of ``pool.lua``."""

    def __init__(self, connection: Connection) -> None:
        self._redis = connection

    async def reserve(self, most: int, seconds: float) -> str | None:
        """Return a ticket to create one more sandbox, if there is room."""
        ticket = secrets.token_hex(8)
        return ticket if await self._run("reserve", ticket, round(seconds * 1000), most) else None

    async def fill(self, ticket: str, sandbox_id: str | None) -> bool:
        """Replace a ticket by a warm sandbox, or cancel the ticket."""
        return bool(await self._run("fill", ticket, sandbox_id or ""))

    async def claim(self, preferred: Collection[str] = ()) -> str | None:
        """Take a warm sandbox, a preferred one or the newest."""
        chosen: bytes = await self._run("claim", _GUARD_MS, *preferred)
        return chosen.decode() or None

    async def withdraw(self, sandbox_id: str) -> bool:
        """Remove a certain warm sandbox; return whether it was in the pool."""
        return bool(await self._redis.answer(self._redis.client.zrem(self._redis.key("spares"), sandbox_id)))

    async def guard(self, sandbox_id: str) -> None:
        """Protect a sandbox from the sweep for ``GUARD_SECONDS``."""
        await self._run("guard", sandbox_id, _GUARD_MS)

    async def kept(self) -> set[str]:
        """Return the ids of warm and guarded sandboxes."""
        return {sandbox_id.decode() for sandbox_id in await self._run("kept")}

    async def _run(self, command: Command, *args: str | int) -> Any:
        keys = [self._redis.key(name) for name in ("spares", "tickets", "guarded")]
        return await self._redis.run("pool", keys, [command, *args])
