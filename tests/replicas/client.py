"""A client that counts answers, and retries only what is safe to retry."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

Json = dict[str, Any]
T = TypeVar("T")
ANSWER_SECONDS = 120
ATTEMPTS = 40
PAUSE_SECONDS = 1.0
"""Between two attempts; what Retry-After says counts where it is less."""

COME_AGAIN = (429, 503)


@dataclass
class Tally:
    """Count answers by request, and broken connections."""

    seen: Counter[str] = field(default_factory=Counter)

    def note(self, what: str, outcome: object) -> None:
        """Count one."""
        self.seen[f"{what} {outcome}"] += 1


class Broken(Exception):
    """The connection ended without an answer: the outcome is unknown."""


class Refused(Exception):
    """The service refused the request with ``Retry-After``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Client:
    """Send requests, each on a connection of its own."""

    def __init__(self, address: str, api_key: str) -> None:
        self.tally = Tally()
        self._http = httpx.AsyncClient(
            base_url=f"{address}/v1", timeout=ANSWER_SECONDS,
            headers={"X-API-Key": api_key, "User-Agent": "LibreChat/1.0", "Connection": "close"},
            limits=httpx.Limits(max_keepalive_connections=0),
        )  # fmt: skip

    async def ask(self, what: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Send once. Raises ``Broken`` and ``Refused``; any other answer than 200 fails the test."""
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.TransportError as error:
            self.tally.note(what, type(error).__name__)
            raise Broken from error
        self.tally.note(what, answer.status_code)
        if answer.status_code in COME_AGAIN:
            raise Refused(float(answer.headers["Retry-After"]))
        assert answer.status_code == 200, f"{what}: {answer.status_code} {answer.text[:500]}"
        return answer

    async def insist(self, what: str, method: str, path: str, **request: Any) -> httpx.Response:
        """Retry until there is an answer: for idempotent requests."""
        return await until_answered(lambda: self.ask(what, method, path, **request))

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()


async def until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Retry after a break or a refusal, as a user who presses the button again."""
    for _ in range(ATTEMPTS):
        try:
            return await ask()
        except Refused as refused:
            await asyncio.sleep(min(refused.seconds, PAUSE_SECONDS))
        except Broken:
            await asyncio.sleep(PAUSE_SECONDS)
    raise AssertionError(f"no answer after {ATTEMPTS} attempts")
