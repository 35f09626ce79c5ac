"""Give each session its sandbox, the leased one or a fresh one, and evict the least recently used."""

from __future__ import annotations

import logging
import time

from app.core.errors import Busy, EngineUnavailable, LeasesUnavailable
from app.core.ports import Engine, Hold, Lease, Leases, Sandbox

log = logging.getLogger(__name__)


class Sandboxes:
    """Join the engine's sandboxes with the leases on them."""

    def __init__(self, engine: Engine, leases: Leases, max_sandboxes: int) -> None:
        self.engine = engine
        self._leases = leases
        self._max = max_sandboxes

    async def acquire(self, hold: Hold) -> tuple[Sandbox, Lease]:
        """Give a live sandbox for a session that the caller holds.

        Raises ``EngineUnavailable``, ``LeasesUnavailable`` or ``Busy``.
        """
        lease = hold.lease
        sandbox = await self.engine.find(lease.sandbox_id) if lease else None
        if lease is not None and sandbox is not None:
            return sandbox, lease
        await self._make_room(hold.session_id)
        sandbox = await self.engine.create()
        lease = Lease(hold.session_id, sandbox.id)
        try:
            await self._leases.keep(hold, lease)
        except LeasesUnavailable:
            await self._destroy(sandbox.id)
            raise
        return sandbox, lease

    async def discard(self, hold: Hold) -> None:
        """Destroy a session's sandbox, because its workspace is no longer a true copy; the store has the files.

        Destroying is safe even for a lost hold: whoever took the session over did not get its sandbox.
        """
        lease = hold.lease
        try:
            await self._leases.drop(hold)
        except LeasesUnavailable as error:
            log.warning("session %s: the lease could not be dropped, its next holder will: %s", hold.session_id, error)
        if lease is not None:
            await self._destroy(lease.sandbox_id)

    async def _destroy(self, sandbox_id: str) -> None:
        try:
            await self.engine.destroy(sandbox_id)
        except EngineUnavailable as error:
            log.warning("sandbox %s could not be destroyed now, the sweep will: %s", sandbox_id, error)

    async def keep(self, hold: Hold, lease: Lease) -> bool:
        """Renew a lease after a run; tell whether that could be done. The run is over and well either way."""
        try:
            await self._leases.keep(hold, lease)
        except LeasesUnavailable as error:
            log.warning("session %s: its sandbox cannot be kept: %s", hold.session_id, error)
            return False
        return True

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

    async def _discard_if_idle(self, session_id: str, unused_since: float = float("inf")) -> bool:
        try:
            async with self._leases.hold(session_id, 0) as hold:
                if hold.lease is not None and hold.lease.used_at > unused_since:
                    return False
                await self.discard(hold)
        except Busy:
            return False
        return True

    async def discard_idle(self, ttl_seconds: float) -> int:
        """Destroy the sandboxes not used for so long; give their number. Their sessions' files stay."""
        before = time.time() - ttl_seconds
        old = [lease.session_id for lease in await self._leases.all() if lease.used_at < before]
        return sum([await self._discard_if_idle(session_id, before) for session_id in old])
