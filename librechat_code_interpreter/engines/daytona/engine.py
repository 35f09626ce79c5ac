"""Engine on a Daytona account: create, find and destroy sandboxes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from librechat_code_interpreter.core.aio import finish
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.protocols import SharedPool
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.engines.daytona.client import Client
from librechat_code_interpreter.engines.daytona.config import DaytonaSettings, Deployment
from librechat_code_interpreter.engines.daytona.orphans import OrphanSweep
from librechat_code_interpreter.engines.daytona.registry import SandboxRegistry
from librechat_code_interpreter.engines.daytona.sandbox import DaytonaSandbox
from librechat_code_interpreter.engines.daytona.warm_pool import WarmPool


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Ids of sandboxes without a session, as this process knows them."""

    warm: frozenset[str]
    """Those that this process made for the warm pool; another replica may have taken one recently."""

    ownerless: frozenset[str]
    """Those that the last sweep found without an owner."""


class DaytonaEngine:
    """Owns the client, the registry of sandboxes, the warm pool and the sweep of orphans."""

    name = "daytona"

    def __init__(
        self, settings: DaytonaSettings, stock: SharedPool, events: Events | None = None,
        clock: Callable[[], float] = time.monotonic, deployment: Deployment | None = None,
    ) -> None:  # fmt: skip
        """``clock`` measures for how long a sandbox has had no owner, in seconds."""
        events = Events() if events is None else events
        self._client = Client(settings, Deployment() if deployment is None else deployment, events)
        self._registry = SandboxRegistry(self._client)
        self._pool = WarmPool(self._client, self._registry, stock, events)
        self._orphans = OrphanSweep(self._client, self._registry, stock, self._pool, clock)
        self._refill: asyncio.Task[None] | None = None

    @property
    def warnings(self) -> list[str]:
        """Warnings for the operator."""
        return [] if self._client.trouble is None else [f"Daytona: {self._client.trouble}"]

    def stats(self) -> EngineStats:
        """Return the sandboxes that are in no session."""
        return EngineStats(frozenset(self._pool.ids), self._orphans.ids)

    async def open(self) -> None:
        """Check key and snapshot. Raises ``EngineUnfit`` when Daytona refuses them; an outage is only a warning."""
        await self._client.open()
        self._refill = asyncio.create_task(self._pool.tend())

    async def close(self) -> None:
        """Destroy the sandboxes that only this process knows, within a bounded time, and close the client.

        With shared leases there are none: other replicas continue sessions and warm sandboxes, and Daytona stops idle
        ones. A sandbox with a program paused for tools is kept: its continuation token stays valid for the next
        process.
        """
        if self._refill is not None:
            await end(self._refill)
        self._pool.close()
        if not self._client.deployment.has_shared_leases:
            for sandbox in self._registry.known():
                if not sandbox.waits:
                    await self.destroy(sandbox.id)
        await self._client.close()

    async def create(self) -> DaytonaSandbox:
        """Take a warm sandbox, or create one. If the caller is cancelled meanwhile, the warm pool may keep it."""
        return await finish(self._take_or_make(), self._pool.adopt, self._client.background)

    async def _take_or_make(self) -> DaytonaSandbox:
        return await self._pool.take() or await self._registry.make()

    async def find(self, sandbox_id: str) -> DaytonaSandbox | None:
        """Return a live sandbox: no round trip if it was in use recently, else one."""
        return await self._registry.find(sandbox_id)

    async def destroy(self, sandbox_id: str) -> None:
        """Drop a sandbox at once and delete it in the background; every sweep retries until it is gone."""
        await self._registry.destroy(sandbox_id)

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        """Destroy the deployment's sandboxes that have long had no owner; return how many were deleted."""
        return await self._orphans.sweep(leased, leads=leads)
