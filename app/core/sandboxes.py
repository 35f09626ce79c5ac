"""Give each session its sandbox, the leased one or a fresh one, and evict the least recently used."""

from __future__ import annotations

import logging
import time

from app.core.errors import Busy, EngineUnavailable
from app.core.ports import Engine, Lease, Leases, Sandbox

log = logging.getLogger(__name__)


class Sandboxes:
    """Join the engine's sandboxes with the leases on them."""

    def __init__(self, engine: Engine, leases: Leases, max_sandboxes: int) -> None:
        self.engine = engine
        self._leases = leases
        self._max = max_sandboxes

    async def acquire(self, session_id: str) -> tuple[Sandbox, Lease]:
        """Give a live sandbox for a session that the caller holds. Raises ``EngineUnavailable`` or ``Busy``."""
        lease = await self._leases.find(session_id)
        sandbox = await self.engine.find(lease.sandbox_id) if lease else None
        if lease is None or sandbox is None:
            await self._make_room(session_id)
            sandbox = await self.engine.create()
            lease = Lease(session_id, sandbox.id)
        await self._leases.keep(lease)
        return sandbox, lease

    async def discard(self, session_id: str) -> None:
        """Destroy a session's sandbox, because its workspace is no longer a true copy; the store has the files."""
        lease = await self._leases.find(session_id)
        await self._leases.drop(session_id)
        if lease is not None:
            try:
                await self.engine.destroy(lease.sandbox_id)
            except EngineUnavailable as error:
                log.warning("sandbox %s could not be destroyed now, the sweep will: %s", lease.sandbox_id, error)

    async def keep(self, lease: Lease) -> None:
        """Renew a lease after a run."""
        await self._leases.keep(lease)

    async def _make_room(self, session_id: str) -> None:
        leases = await self._leases.all()
        excess = len(leases) + 1 - self._max
        for lease in leases:
            if excess <= 0:
                return
            if lease.session_id != session_id and await self._discard_if_idle(lease.session_id):
                excess -= 1
        if excess > 0:
            raise Busy("All sandboxes are in use.", retry_after_seconds=5)

    async def _discard_if_idle(self, session_id: str) -> bool:
        try:
            async with self._leases.hold(session_id, 0):
                await self.discard(session_id)
        except Busy:
            return False
        return True

    async def discard_idle(self, ttl_seconds: float) -> int:
        """Destroy the sandboxes not used for so long; give their number. Their sessions' files stay."""
        before = time.time() - ttl_seconds
        old = [lease.session_id for lease in await self._leases.all() if lease.used_at < before]
        return sum([await self._discard_if_idle(session_id) for session_id in old])
