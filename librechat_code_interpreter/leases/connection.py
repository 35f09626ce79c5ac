"""Connection to one Redis, for leases and the shared pool."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from librechat_code_interpreter.core.errors import LeasesUnavailable
from librechat_code_interpreter.core.tasks import end

Script = Literal["session", "pool"]
"""Lua scripts beside this module. Redis runs each call atomically; the first argument names the command."""

_CONNECTIONS = 1000
"""More than the waiters that admission allows; each of them occupies one connection."""


class Connection:
    """Owns the client and the scripts; every error of Redis becomes ``LeasesUnavailable``."""

    def __init__(self, url: str, prefix: str, answer_seconds: float) -> None:
        """Prepare a client, which connects on first use. Raises ``ValueError`` for a bad URL."""
        self.client = client = _client(url, answer_seconds)
        self._prefix = prefix
        texts = {name: Path(__file__).with_name(f"{name}.lua").read_text() for name in ("session", "pool")}
        self._scripts = {name: client.register_script(text) for name, text in texts.items()}

    def key(self, *parts: str) -> str:
        """Return a key with our prefix."""
        return self._prefix + ":".join(parts)

    async def run(self, script: Script, keys: list[str], args: list[Any]) -> Any:
        """Run a command of a script, atomically."""
        return await self.answer(self._scripts[script](keys=keys, args=args))

    async def answer(self, call: Awaitable[Any] | Any) -> Any:
        """Await a reply of Redis. Unavailable, loading, read-only and full all raise ``LeasesUnavailable``.

        The call runs in its own task, because the client may lose a cancellation. While it checks whether a pooled
        connection is open, it takes a cancellation for the end of that check.
        """
        task = asyncio.ensure_future(call)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await end(task)
            raise
        except (RedisError, OSError) as error:
            reason = type(error).__name__  # its text may contain hosts and users
            raise LeasesUnavailable(f"The leases do not answer ({reason}).", retry_after_seconds=5) from None

    async def close(self) -> None:
        """Close all connections."""
        with suppress(RedisError, OSError):  # they may be dead already
            await self.client.aclose()


def _client(url: str, answer_seconds: float) -> Redis:
    """Create a client with a short timeout, which retries once on a connection that broke while it was idle."""
    return Redis.from_url(
        url, protocol=2, max_connections=_CONNECTIONS,
        socket_timeout=answer_seconds, socket_connect_timeout=answer_seconds,
        retry=Retry(ConstantBackoff(0), 1, supported_errors=(NoConnection,)),
    )  # fmt: skip
