"""The sandbox of each session: the leased one or a new one; evicts the least recently used if there are too many."""

from __future__ import annotations

import logging
from contextlib import suppress

from librechat_code_interpreter.core.clock import LEAST_SECONDS, Clock
from librechat_code_interpreter.core.errors import Busy, EngineUnavailable, LeasesUnavailable
from librechat_code_interpreter.core.ids import is_paused_run
from librechat_code_interpreter.core.protocols import Engine, Lease, Leases, Sandbox, SessionLock

log = logging.getLogger(__name__)

PAUSE_SECONDS = 600.0
"""How long a program may wait for tools (K32: at least ten minutes)."""

_PAUSE_GRACE_SECONDS = 60.0


class SandboxLeases:
    """Connects the engine's sandboxes with their leases."""

    def __init__(self, engine: Engine, leases: Leases, max_sandboxes: int) -> None:
        self.engine = engine
        self._leases = leases
        self._max = max_sandboxes

    async def acquire(self, hold: SessionLock) -> tuple[Sandbox, Lease]:
        """Return a live sandbox for a session that the caller has locked.

        Raises ``EngineUnavailable``, ``LeasesUnavailable`` or ``Busy``.
        """
        lease = hold.lease
        sandbox = await self.engine.find(lease.sandbox_id) if lease and lease.sandbox_id else None
        if lease is not None and sandbox is not None:
            return sandbox, lease
        await self._reserve(hold)
        sandbox = None
        try:
            sandbox = await self.engine.create()
            lease = Lease(hold.session_id, sandbox.id)
            await self._leases.keep(hold, lease)
        except BaseException:
            await self._give_up(hold, sandbox)
            raise
        return sandbox, lease

    async def _reserve(self, hold: SessionLock) -> None:
        """Reserve one of ``MAX_SANDBOXES`` before creating a sandbox, so that all replicas together stay within it."""
        place = Lease(hold.session_id, "")
        if await self._leases.keep(hold, place, self._max):
            return
        for lease in await self._leases.all():
            if lease.session_id == hold.session_id or is_paused_run(lease.session_id):
                continue
            if not await self._discard_if_idle(lease.session_id):
                continue
            if await self._leases.keep(hold, place, self._max):
                return
        raise Busy("All sandboxes are in use.", retry_after_seconds=5)

    async def _give_up(self, hold: SessionLock, sandbox: Sandbox | None) -> None:
        """Free the reservation, and destroy the sandbox if one was created, since no lease names it."""
        try:
            await self._leases.drop(hold)
        except LeasesUnavailable as error:
            log.warning("session %s: its place is free when its lock runs out: %s", hold.session_id, error)
        if sandbox is not None:
            await self._destroy(sandbox.id)

    async def discard(self, hold: SessionLock, sandbox_id: str = "") -> None:
        """Destroy a session's sandbox and drop its lease; the store has the files.

        Typical reasons: it is idle or evicted, or its workspace may differ from the stored files.

        This is safe even if the lock was lost, because the new holder did not get this sandbox. ``sandbox_id`` is for
        callers that know the sandbox without its lease.
        """
        lease = hold.lease
        sandbox_id = lease.sandbox_id if lease is not None else sandbox_id
        try:
            await self._leases.drop(hold)
        except LeasesUnavailable as error:
            log.warning("session %s: the lease could not be dropped, its next holder will: %s", hold.session_id, error)
        if sandbox_id:
            await self._destroy(sandbox_id)

    async def _destroy(self, sandbox_id: str) -> None:
        try:
            await self.engine.destroy(sandbox_id)
        except EngineUnavailable as error:
            log.warning("sandbox %s could not be destroyed now, the sweep will: %s", sandbox_id, error)

    async def keep(self, hold: SessionLock, lease: Lease) -> bool:
        """Renew a lease after a run; return whether that succeeded. A failure does not affect the finished run."""
        try:
            await self._leases.keep(hold, lease)
        except LeasesUnavailable as error:
            log.warning("session %s: its sandbox cannot be kept: %s", hold.session_id, error)
            return False
        return True

    async def _discard_if_idle(self, session_id: str, unused_since: float = float("inf")) -> bool:
        try:
            async with self._leases.hold(session_id, 0) as hold:
                if hold.lease is not None and hold.lease.used_at > unused_since:
                    return False
                await self.discard(hold)
        except Busy:
            return False
        return True

    async def discard_idle(self, ttl_seconds: float, clock: Clock) -> int:
        """Destroy the sandboxes unused for ``ttl_seconds``; return their number. Their sessions' files are kept.

        For a program that waits for tools, ``PAUSE_SECONDS`` and a grace time count instead. It ends by itself shortly
        before.
        """
        before = {True: clock.ago(PAUSE_SECONDS + _PAUSE_GRACE_SECONDS), False: clock.ago(ttl_seconds)}
        await self._date_anew(clock.now() + LEAST_SECONDS)
        leases = [(lease, before[is_paused_run(lease.session_id)]) for lease in await self._leases.all()]
        old = [(lease.session_id, since) for lease, since in leases if lease.used_at < since]
        return sum([await self._discard_if_idle(session_id, since) for session_id, since in old])

    async def _date_anew(self, future: float) -> None:
        """Set a last use in the future to now: the clock was set back, and the sandbox would never become idle."""
        for session_id in [lease.session_id for lease in await self._leases.all() if lease.used_at > future]:
            with suppress(Busy):
                async with self._leases.hold(session_id, 0) as hold:
                    if hold.lease is not None:
                        await self._leases.keep(hold, hold.lease)
