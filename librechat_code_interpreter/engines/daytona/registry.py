"""Registry of the sandboxes that this process uses or deletes."""

from __future__ import annotations

import logging
import time
from collections.abc import Set

from daytona import AsyncSandbox, DaytonaTimeoutError

from librechat_code_interpreter.core.errors import EngineUnavailable, Unavailable
from librechat_code_interpreter.engines.daytona import archive, errors, snapshot
from librechat_code_interpreter.engines.daytona.client import RUNNER_LABEL, Client
from librechat_code_interpreter.engines.daytona.errors import State
from librechat_code_interpreter.engines.daytona.sandbox import PREPARE_SECONDS, DaytonaSandbox

log = logging.getLogger(__name__)


class SandboxRegistry:
    """Creates, finds and destroys sandboxes, and keeps one handle of each in use."""

    def __init__(self, client: Client) -> None:
        name = client.settings.daytona_snapshot
        self._client = client
        self._is_baked = name is not None and name == snapshot.name()
        self._known: dict[str, DaytonaSandbox] = {}
        self._doomed: set[str] = set()

    @property
    def doomed(self) -> frozenset[str]:
        """Ids of sandboxes that are being deleted; a failed deletion is retried by the sweep."""
        return frozenset(self._doomed)

    @property
    def make_seconds(self) -> float:
        """Maximum time to create and prepare a sandbox."""
        return self._client.create_seconds + PREPARE_SECONDS

    def known(self) -> list[DaytonaSandbox]:
        """Return the handles in use."""
        return list(self._known.values())

    def fresh(self, sandbox_id: str) -> DaytonaSandbox | None:
        """Return a known sandbox, without a round trip, if it is certainly alive and outlives the longest run."""
        sandbox = self._known.get(sandbox_id)
        return sandbox if sandbox is not None and self.is_fresh(sandbox) else None

    def is_fresh(self, sandbox: DaytonaSandbox) -> bool:
        """Return whether a sandbox outlives the longest run and Daytona has had no reason yet to stop it."""
        is_sure = not self._client.may_be_stopped(time.monotonic() - sandbox.heard_at) and not sandbox.is_gone
        return is_sure and self._client.outlives_a_run(sandbox.expires_at)

    async def make(self) -> DaytonaSandbox:
        """Create and prepare a sandbox. Raises ``Unavailable``."""
        try:
            remote = await self._client.create()
        except Unavailable as refused:
            error = refused.__cause__
            if isinstance(error, DaytonaTimeoutError) and error.sandbox_id is not None:
                await self.destroy(error.sandbox_id)
            raise
        sandbox = self._add(remote)
        try:
            if not self._is_baked:
                await sandbox.prepare()
        except BaseException as error:
            await self.destroy(sandbox.id)
            self._client.trouble = str(error) or "a sandbox could not be prepared"
            raise
        sandbox.starts_empty()
        self._client.trouble = None
        return sandbox

    def _add(self, remote: AsyncSandbox) -> DaytonaSandbox:
        expires_at = self._client.expiry(remote)
        sandbox = DaytonaSandbox(self._client, remote, is_baked=self._is_baked, expires_at=expires_at)
        self._known[sandbox.id] = sandbox
        return sandbox

    async def find(self, sandbox_id: str) -> DaytonaSandbox | None:
        """Return a live sandbox: no round trip if it was in use recently, else one."""
        if sandbox_id in self._doomed:
            return None
        if (sandbox := self.fresh(sandbox_id)) is not None:
            return sandbox
        known = self._known.get(sandbox_id)
        if known is not None and not self._client.outlives_a_run(known.expires_at):
            await self.destroy(sandbox_id)  # it would end in the middle of a run
            return None
        return await self.look_up(sandbox_id)

    async def look_up(self, sandbox_id: str) -> DaytonaSandbox | None:
        """Return a sandbox if Daytona reports it started. Raises ``Unavailable``."""
        remote = await self._client.get(sandbox_id)
        if remote is None:
            self._known.pop(sandbox_id, None)
            return None
        known = self._known.get(sandbox_id)
        if errors.state_of(remote.state) is not State.STARTED:
            await self.destroy(sandbox_id)
            return None
        if known is not None:
            known.heard_at = time.monotonic()
            return known
        sandbox = self._add(remote)
        if remote.labels.get(RUNNER_LABEL) != archive.runner_name():
            try:
                await sandbox.prepare()  # created by another version of the service
            except EngineUnavailable:
                await self.destroy(sandbox_id)
                raise
        return sandbox

    async def destroy(self, sandbox_id: str) -> None:
        """Drop a sandbox at once and delete it in the background; every sweep retries until it is gone."""
        sandbox = self._known.pop(sandbox_id, None)
        if sandbox is not None:
            sandbox.is_gone = True
        if sandbox_id not in self._doomed:
            self._doomed.add(sandbox_id)
            self._client.in_background(self.delete(sandbox_id, sandbox.remote if sandbox else None))

    async def delete(self, sandbox_id: str, remote: AsyncSandbox | None = None) -> bool:
        """Delete a sandbox; 404 counts as done. The next sweep retries any other error (409: between two states)."""
        try:
            remote = remote or await self._client.get(sandbox_id)
            if remote is not None and errors.state_of(remote.state) is not State.GONE:
                await self._client.delete(remote)
        except Unavailable as error:
            if error.__cause__ is None:
                raise  # the client is closed
            log.warning("sandbox %s was not deleted, the sweep will: %s", sandbox_id, error.__cause__)
            return False
        self._doomed.discard(sandbox_id)
        return True

    def drop(self, sandbox_id: str) -> None:
        """Remove the handle of a sandbox."""
        self._known.pop(sandbox_id, None)

    def drop_all_but(self, alive: Set[str], older_than_seconds: float) -> None:
        """Remove the handles of older sandboxes that are not alive."""
        for sandbox_id, sandbox in list(self._known.items()):
            if sandbox_id not in alive and time.monotonic() - sandbox.made_at > older_than_seconds:
                del self._known[sandbox_id]

    def drop_deleted(self, listed: Set[str]) -> None:
        """Remove ids of deleted sandboxes that Daytona no longer lists."""
        self._doomed &= listed
