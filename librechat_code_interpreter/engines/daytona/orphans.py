"""Sweep of orphans: sandboxes of this deployment that have long had no owner."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from daytona import AsyncSandbox

from librechat_code_interpreter.core.protocols import SharedPool
from librechat_code_interpreter.engines.daytona import errors
from librechat_code_interpreter.engines.daytona.client import Client
from librechat_code_interpreter.engines.daytona.errors import State
from librechat_code_interpreter.engines.daytona.registry import SandboxRegistry
from librechat_code_interpreter.engines.daytona.warm_pool import WarmPool

log = logging.getLogger(__name__)

ORPHAN_SECONDS = 600
"""Time without an owner, beyond the time to create a sandbox, after which a sandbox is destroyed.

It may be about to get a lease. Or Redis lost its data, and the users of the sandbox have not written their leases
again.
"""


class OrphanSweep:
    """Destroys orphans and dead warm sandboxes, and retries failed deletions."""

    def __init__(
        self, client: Client, registry: SandboxRegistry, stock: SharedPool, pool: WarmPool, clock: Callable[[], float]
    ) -> None:
        """``clock`` measures for how long a sandbox has had no owner, in seconds."""
        self._client = client
        self._registry = registry
        self._stock = stock
        self._pool = pool
        self._clock = clock
        self._ownerless: dict[str, float] = {}
        """Sandboxes without a known owner; value: first time seen so (seconds of the clock)."""

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the sandboxes that the last sweep found without an owner."""
        return frozenset(self._ownerless)

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        """Destroy our sandboxes that have long had no owner: not leased, not in the warm pool, not claimed recently.

        Without shared leases, only sandboxes made by this process: others may be in use by another replica.
        """
        kept = await self._stock.kept()
        self._pool.refresh(kept)
        if not leads:
            self._ownerless.clear()
            self._registry.drop_all_but(leased | kept, ORPHAN_SECONDS)
            return sum([await self._registry.delete(sandbox_id) for sandbox_id in self._registry.doomed])
        listed = await self._client.sandboxes()
        self._registry.drop_all_but(listed.keys() | leased, ORPHAN_SECONDS)
        for sandbox_id in kept - leased:
            if not self._may_serve(listed.get(sandbox_id)):
                await self._withdraw(sandbox_id)
        return await self._delete_orphans(listed, leased | kept)

    async def _delete_orphans(self, listed: Mapping[str, AsyncSandbox], owned: set[str]) -> int:
        again = [listed[sandbox_id] for sandbox_id in self._registry.doomed if sandbox_id in listed]
        now = self._clock()
        ownerless = [sandbox_id for sandbox_id, remote in listed.items() if self._is_ownerless(remote, owned)]
        self._ownerless = {sandbox_id: self._ownerless.get(sandbox_id, now) for sandbox_id in ownerless}
        patience = self._registry.make_seconds + ORPHAN_SECONDS
        orphans = [listed[name] for name, since in self._ownerless.items() if now - since >= patience]
        for remote in orphans:
            log.warning("sandbox %s belongs to no session; destroying it", remote.id)
            self._registry.drop(remote.id)
        doomed = {remote.id: remote for remote in (*again, *orphans)}
        self._registry.drop_deleted(listed.keys())
        return sum([await self._registry.delete(sandbox_id, remote) for sandbox_id, remote in doomed.items()])

    def _is_ownerless(self, remote: AsyncSandbox, owned: set[str]) -> bool:
        if remote.id in owned or remote.id in self._registry.doomed:
            return False
        return self._client.deployment.has_shared_leases or self._client.is_own(remote)

    def _may_serve(self, remote: AsyncSandbox | None) -> bool:
        if remote is None or errors.state_of(remote.state) is not State.STARTED:
            return False
        return self._client.outlives_a_run(self._client.expiry(remote))

    async def _withdraw(self, sandbox_id: str) -> None:
        """Remove a warm sandbox that died or is about to. One missing from the list may be too new for it."""
        remote = await self._client.get(sandbox_id, "look at the spare sandboxes")
        if not self._may_serve(remote) and await self._stock.withdraw(sandbox_id):
            log.info("spare sandbox %s died or is too old", sandbox_id)
            await self._registry.destroy(sandbox_id)
            self._pool.refresh(await self._stock.kept())
