"""Leases in Redis: for several replicas. They may be lost at any time, and no data is lost with them.

    lock:<session>     the holder's token; expires unless it is renewed
    fence:<session>    n: the number of the last acquisition; open: 1 until its holder released the lock
    lease:<session>    sandbox and the files staged in it, as JSON
    used               sorted set: session -> last use of its lease, by Redis's clock
    free:<session>     list that wakes one waiter when the lock is released
    hint:<digest>      a conversation's session
    spares, tickets, guarded   see ``redis_pool``

Every step that must be atomic is one command of ``session.lua``, which also defines when a lock is lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import orjson

from librechat_code_interpreter.core.errors import Busy, LeasesUnavailable
from librechat_code_interpreter.core.protocols import Lease, SessionLock
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.leases.connection import Connection
from librechat_code_interpreter.leases.redis_pool import RedisPool

if TYPE_CHECKING:  # few deployments set limits, and the others do not import the library
    from librechat_code_interpreter.leases.rates import WindowRates

Command = Literal["acquire", "renew", "keep", "drop", "release", "list"]
"""Commands of ``session.lua``."""

log = logging.getLogger(__name__)

LOCK_SECONDS = 15.0
"""Expiry of a session lock after its holder died; a live holder renews it three times in that time."""

ANSWER_SECONDS = 2.0
"""Time limit for one reply of Redis, after which it counts as unavailable."""

_NO_ROOM = 2
"""Result of ``keep`` when the maximum number of leases exists."""


@dataclass(slots=True)
class _SessionLock:
    session_id: str
    token: str
    fence: int = 0
    lease: Lease | None = None
    held_until: float = 0.0
    """Monotonic time until which Redis certainly keeps the lock for us."""

    is_over: bool = False
    is_lease_correct: bool = True
    """Whether the stored lease is correct; if not, releasing the lock deletes it."""

    def is_lost(self) -> bool:
        return self.is_over or time.monotonic() >= self.held_until


class RedisLeases:
    """Leases, locks and hints shared by replicas."""

    def __init__(
        self, url: str, *, prefix: str, lease_seconds: float, hint_seconds: float,
        lock_seconds: float = LOCK_SECONDS, answer_seconds: float = ANSWER_SECONDS,
    ) -> None:  # fmt: skip
        """Prepare a client, which connects on first use. Raises ``ValueError`` for a bad URL."""
        self._redis = Connection(url, prefix, answer_seconds)
        self._wake_seconds = answer_seconds / 2
        self._lock_seconds = lock_seconds
        self._lock_ms = round(lock_seconds * 1000)
        self._lease_ms = round((lease_seconds + lock_seconds) * 1000)
        self._hint_ms = round(hint_seconds * 1000)

    def stock(self) -> RedisPool:
        """Return the shared pool of warm sandboxes over the same connections."""
        return RedisPool(self._redis)

    def rates(self, user_runs: int, tenant_runs: int) -> WindowRates:
        """Return the rate limits of users and tenants over the same connections; 0 means no limit."""
        from librechat_code_interpreter.leases import rates

        return rates.in_redis(user_runs, tenant_runs, self._redis.client.connection_pool, self._redis.key("rates"))

    @asynccontextmanager
    async def hold(self, session_id: str, wait_seconds: float) -> AsyncIterator[SessionLock]:
        """Lock a session, and renew the lock until it is released. Raises ``Busy`` and ``LeasesUnavailable``."""
        lock = _SessionLock(session_id, secrets.token_hex(8))
        try:
            await self._acquire(lock, wait_seconds)
        except asyncio.CancelledError:
            await self._release(lock)  # Redis may have granted the lock without our reading the reply
            raise
        renewing = asyncio.create_task(self._renew(lock))
        try:
            yield lock
        finally:
            await end(renewing)
            await self._release(lock)

    async def _acquire(self, lock: _SessionLock, wait_seconds: float) -> None:
        deadline = time.monotonic() + wait_seconds
        while (expires_in := await self._try_acquire(lock)) is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Busy("Another program is running in this session.", retry_after_seconds=3)
            await self._wait_for_release(lock.session_id, min(left, expires_in))

    async def _try_acquire(self, lock: _SessionLock) -> float | None:
        """Acquire the lock if it is free; else return the seconds until it expires."""
        called_at = time.monotonic()
        is_acquired, number, lease, age_ms = await self._run("acquire", lock)
        if not is_acquired:
            return float(max(number, 0)) / 1000
        lock.fence, lock.held_until = number, called_at + self._lock_seconds
        lock.lease = _lease_from(lock.session_id, lease, age_ms) if lease else None
        return None

    async def _wait_for_release(self, session_id: str, seconds: float) -> None:
        """Wait for a release up to ``seconds``; re-check after it: a waiter woken before may have died."""
        pause = max(0.01, min(seconds, self._wake_seconds))  # 0 would wait without a limit
        await self._redis.answer(self._redis.client.blpop([self._redis.key("free", session_id)], timeout=pause))

    async def _renew(self, lock: _SessionLock) -> None:
        """Renew the lock until another holder has it; keep retrying while Redis is unavailable."""
        pause = self._lock_seconds / 3
        while not lock.is_over:
            await asyncio.sleep(pause)
            lease = _json_of(lock.lease) if lock.lease else b""
            try:
                await self._run_fenced("renew", lock, lease)
                pause = self._lock_seconds / 3
            except LeasesUnavailable as error:
                log.warning("session %s: its lock could not be renewed: %s", lock.session_id, error)
                pause = self._lock_seconds / 10

    async def _release(self, lock: _SessionLock) -> None:
        """Release the lock. If that fails, the lock expires by itself, and the lease is dropped with it."""
        with suppress(LeasesUnavailable):
            await self._run("release", lock, int(lock.is_lease_correct))
        lock.is_over = True

    async def keep(self, hold: SessionLock, lease: Lease, most: int | None = None) -> bool:
        """Store a lease and its time of use, if there is room for it."""
        lock = _held(hold)
        lock.is_lease_correct = False
        done = await self._run_fenced("keep", lock, _json_of(lease), "" if most is None else most)
        lock.is_lease_correct = True
        if done == _NO_ROOM:
            return False
        lease.used_at = time.time()
        lock.lease = lease
        return True

    async def drop(self, hold: SessionLock) -> None:
        """Delete the session's lease."""
        lock = _held(hold)
        lock.is_lease_correct = False
        await self._run_fenced("drop", lock)
        lock.is_lease_correct = True
        lock.lease = None

    async def all(self) -> list[Lease]:
        """Return all leases, the least recently used first."""
        rows = await self._run("list", _SessionLock(session_id="", token=""))
        return [_lease_from(session_id.decode(), lease, age_ms) for session_id, lease, age_ms in rows]

    async def hint(self, key: str, session_id: str | None = None) -> str | None:
        """Store the session of a conversation if one is given; return the stored one."""
        name = self._redis.key("hint", hashlib.sha256(key.encode()).hexdigest())  # a key may contain a user's name
        if session_id is not None:
            await self._redis.answer(self._redis.client.set(name, session_id, px=self._hint_ms))
            return session_id
        found = await self._redis.answer(self._redis.client.get(name))
        return cast(bytes, found).decode() if found else None

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.close()

    async def _run_fenced(self, command: Command, lock: _SessionLock, *arguments: int | str | bytes) -> int:
        """Run a command that does nothing for a lost lock. Raises ``LeasesUnavailable`` then."""
        called_at = time.monotonic()
        done: int = await self._run(command, lock, *arguments)
        if not done:
            lock.is_over = True
            raise LeasesUnavailable("Another replica took this session over.")
        lock.held_until = called_at + self._lock_seconds
        return done

    async def _run(self, command: Command, lock: _SessionLock, *arguments: int | str | bytes) -> Any:
        names = ("lock", "fence", "lease", "free")
        keys = [*(self._redis.key(name, lock.session_id) for name in names), self._redis.key("used")]
        args = [command, lock.session_id, lock.token, lock.fence, self._lock_ms, self._lease_ms, *arguments]
        return await self._redis.run("session", keys, args)


def _held(hold: SessionLock) -> _SessionLock:
    if not isinstance(hold, _SessionLock) or hold.is_over:
        raise LeasesUnavailable("This session is no longer held.")
    return hold


def _json_of(lease: Lease) -> bytes:
    return orjson.dumps({"sandbox_id": lease.sandbox_id, "staged": lease.staged})


def _lease_from(session_id: str, lease: bytes, age_ms: int) -> Lease:
    """Parse a lease; its age is by Redis's clock, so replicas need not agree on the time."""
    body = orjson.loads(lease)
    return Lease(session_id, body["sandbox_id"], body["staged"], time.time() - age_ms / 1000)
