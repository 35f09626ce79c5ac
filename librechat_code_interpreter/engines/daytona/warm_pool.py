"""Warm pool: sandboxes created ahead, so that a new session does not wait for a start."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from librechat_code_interpreter.core.aio import finish
from librechat_code_interpreter.core.errors import LeasesUnavailable, Unavailable
from librechat_code_interpreter.core.events import Events, PoolFilled, PoolTaken, PoolWhole
from librechat_code_interpreter.core.protocols import SharedPool
from librechat_code_interpreter.engines.daytona.client import Client
from librechat_code_interpreter.engines.daytona.registry import SandboxRegistry
from librechat_code_interpreter.engines.daytona.sandbox import DaytonaSandbox

log = logging.getLogger(__name__)

TRUSTED_SECONDS = 60.0
"""A warm sandbox that answered within this time is handed out without a check."""

_LONGEST_PAUSE_SECONDS = 60.0
_KEEP_SECONDS = 60.0
_ANY_NUMBER = 1_000_000


class WarmPool:
    """Refills the shared pool in the background and takes from it; the shared pool hands out each sandbox once."""

    def __init__(self, client: Client, registry: SandboxRegistry, stock: SharedPool, events: Events) -> None:
        self._client = client
        self._registry = registry
        self._count = client.settings.daytona_warm_sandboxes
        self._stock = stock
        self._events = events
        self._short_since: float | None = None
        self._own: set[str] = set()
        self._wanted = asyncio.Event()
        self._wanted.set()

    @property
    def ids(self) -> set[str]:
        """Ids of warm sandboxes made by this process; another replica may have taken one recently."""
        return set(self._own)

    async def take(self) -> DaytonaSandbox | None:
        """Take a live sandbox. Returns ``None`` if there is none, or if the shared pool does not answer."""
        try:
            while (sandbox_id := await self._stock.claim(self._own)) is not None:
                is_own = sandbox_id in self._own
                self._own.discard(sandbox_id)
                self._wanted.set()
                if sandbox := await self._attach(sandbox_id):
                    self._note_taken(time.monotonic() - sandbox.made_at if is_own else None, is_hit=True)
                    return sandbox
        except LeasesUnavailable as error:
            log.warning("no warm sandbox can be taken: %s", error)
        self._note_taken(None, is_hit=False)
        return None

    def _note_taken(self, age_seconds: float | None, *, is_hit: bool) -> None:
        if self._count:
            self._short_since = self._short_since or time.monotonic()
            self._events.tell(PoolTaken("sandbox", "any", is_hit, age_seconds, len(self._own)))

    async def _attach(self, sandbox_id: str) -> DaytonaSandbox | None:
        """Return a claimed sandbox if it is alive and will outlive a run.

        One that answered within ``TRUSTED_SECONDS`` costs no round trip.
        """
        known = self._registry.fresh(sandbox_id)
        if known is not None and time.monotonic() - known.heard_at < TRUSTED_SECONDS:
            return known
        try:
            sandbox = await self._registry.look_up(sandbox_id)
        except Unavailable:
            if sandbox_id not in self._registry.doomed:
                await self._put_back(sandbox_id)
            raise
        if sandbox is None or not self._registry.is_fresh(sandbox):
            await self._registry.destroy(sandbox_id)
            return None
        sandbox.starts_empty()
        return sandbox

    async def adopt(self, sandbox: DaytonaSandbox) -> None:
        """Add an unused sandbox to the pool, or destroy it if there is no room."""
        if not (self._count > 0 and await self._place(sandbox.id, self._count)):
            await self._registry.destroy(sandbox.id)

    async def _put_back(self, sandbox_id: str) -> None:
        """Return a claimed sandbox to the pool. The pool is one too large if its slot has been refilled meanwhile."""
        if not await self._place(sandbox_id, _ANY_NUMBER):
            log.warning("spare sandbox %s could not be put back, the sweep will destroy it", sandbox_id)

    async def _place(self, sandbox_id: str, most: int) -> bool:
        with suppress(LeasesUnavailable):
            ticket = await self._stock.reserve(most, _KEEP_SECONDS)
            return ticket is not None and await self._put(ticket, sandbox_id)
        return False

    async def _put(self, ticket: str, sandbox_id: str) -> bool:
        if not await self._stock.fill(ticket, sandbox_id):
            return False
        self._own.add(sandbox_id)
        return True

    def refresh(self, kept: set[str]) -> None:
        """Remove the ids of sandboxes that others took or that died, and check whether new ones are needed."""
        self._own &= kept
        self._wanted.set()

    def close(self) -> None:
        """Stop refilling."""
        self._count = 0

    async def tend(self) -> None:
        """Refill until closed. If Daytona refuses, wait at least its retry time, and longer after each refusal."""
        pause = 1.0
        while self._count:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                while ticket := await self._stock.reserve(self._count, self._registry.make_seconds):
                    await self._make_one(ticket)
                pause = 1.0
                self._note_whole()
            except Unavailable as error:
                log.warning("no warm sandbox could be made: %s", error.__cause__ or error)
                await asyncio.sleep(max(pause, error.retry_after_seconds))
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                self._wanted.set()

    def _note_whole(self) -> None:
        if self._short_since is not None:
            self._events.tell(PoolWhole("sandbox", time.monotonic() - self._short_since))
            self._short_since = None

    async def _make_one(self, ticket: str) -> None:
        try:
            sandbox = await finish(self._registry.make(), self.adopt, self._client.background)
        except BaseException:
            with suppress(LeasesUnavailable):  # on failure the ticket expires
                await self._stock.fill(ticket, None)
            raise
        try:
            is_spare = await self._put(ticket, sandbox.id)
        except LeasesUnavailable:
            await self._registry.destroy(sandbox.id)  # it may be in the shared pool: a claim then finds it dead
            raise
        if is_spare:
            self._events.tell(PoolFilled("sandbox", "any", len(self._own)))
        else:
            await self._registry.destroy(sandbox.id)
