"""Background cleanup: idle sandboxes, orphans, expired sessions, unfinished files."""

from __future__ import annotations

import asyncio
import logging
import time

from librechat_code_interpreter.core.clock import Clock
from librechat_code_interpreter.core.errors import Busy, Unavailable
from librechat_code_interpreter.core.leader import Leader
from librechat_code_interpreter.core.protocols import FileStore, Leases, Retention
from librechat_code_interpreter.core.sandbox_leases import SandboxLeases

log = logging.getLogger(__name__)

UNFINISHED_SECONDS = 3600.0
"""Age without a write after which an unfinished file is removed, and the interval of these checks.

An upload in progress keeps writing to its file.
"""


class Cleanup:
    """Runs the cleanup periodically for the lifetime of the service."""

    def __init__(
        self, sandboxes: SandboxLeases, leases: Leases, store: FileStore, retention: Retention,
        *, interval_seconds: float, session_ttl_seconds: float, file_ttl_seconds: float,
    ) -> None:  # fmt: skip
        self._sandboxes = sandboxes
        self._leases = leases
        self.leader = Leader(leases)
        self._store = store
        self._retention = retention
        self._interval_seconds = interval_seconds
        self._session_ttl_seconds = session_ttl_seconds
        self._file_ttl_seconds = file_ttl_seconds
        self._clock = Clock()
        self._looked_for_unfinished = float("-inf")

    async def tend(self) -> None:
        """Clean up at each interval, forever; if a part of the service is unavailable, retry at the next one."""
        try:
            while True:
                await asyncio.sleep(self._interval_seconds)
                try:
                    await self.clean_up()
                except Unavailable as error:
                    log.warning("clean-up was cut short: %s", error)
        finally:
            await self.leader.resign()

    async def clean_up(self) -> None:
        """Destroy idle sandboxes and orphans, then erase sessions that were unused for the retention time.

        Only the leader cleans up what all replicas share. Every replica cleans up its own sandboxes.
        """
        leads = await self.leader.is_elected()
        idle = await self._sandboxes.discard_idle(self._session_ttl_seconds, self._clock) if leads else 0
        leased = {lease.sandbox_id for lease in await self._leases.all()}
        orphans = await self._sandboxes.engine.sweep(leased, leads=leads)
        erased = await self._erase_expired() if leads else 0
        if idle or orphans or erased:
            log.info("cleaned up: %d idle sandboxes, %d orphans, %d expired sessions", idle, orphans, erased)
        if leads:
            await self._remove_unfinished()

    async def _remove_unfinished(self) -> None:
        now = time.monotonic()
        if now - self._looked_for_unfinished < UNFINISHED_SECONDS:
            return
        if removed := await self._retention.remove_unfinished(self._clock.ago(UNFINISHED_SECONDS)):
            log.info("removed %d files that a killed writer left unfinished", removed)
        self._looked_for_unfinished = now

    async def _erase_expired(self) -> int:
        if self._file_ttl_seconds == 0:
            return 0
        before = self._clock.ago(self._file_ttl_seconds)
        erased = 0
        for session_id in await self._retention.idle_since(before):
            try:
                async with self._leases.hold(session_id, 0) as hold:
                    await self._sandboxes.discard(hold)
                    if hold.is_lost() or not await self._retention.is_idle(session_id, before):
                        continue  # it was used since it was listed
                    await self._store.erase(session_id)
                    erased += 1
            except Busy:
                continue
        return erased
