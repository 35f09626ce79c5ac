"""Sandboxes of a Daytona account: create, find, destroy and sweep."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    DaytonaAuthenticationError,
    DaytonaError,
    DaytonaForbiddenError,
    DaytonaNotFoundError,
    DaytonaTimeoutError,
    ListSandboxesQuery,
)

from librechat_code_interpreter.core.aio import finish
from librechat_code_interpreter.core.errors import EngineUnavailable, Unavailable
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.protocols import EngineUnfit, SharedPool
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.engines.daytona import archive, errors, snapshot
from librechat_code_interpreter.engines.daytona.account import (
    APP_LABEL,
    INSTANCE_LABEL,
    RUNNER_LABEL,
    DaytonaSettings,
    connect,
    new_sandbox,
)
from librechat_code_interpreter.engines.daytona.calls import Calls
from librechat_code_interpreter.engines.daytona.errors import State
from librechat_code_interpreter.engines.daytona.sandbox import PREPARE_SECONDS, DaytonaSandbox
from librechat_code_interpreter.engines.daytona.warm_pool import WarmPool

log = logging.getLogger(__name__)

REQUEST_SECONDS = 15
CREATE_SECONDS = 60
BUILD_SECONDS = 900
"""A sandbox from an image is built first if nobody has built that image recently."""

CLOSE_SECONDS = 15
ORPHAN_SECONDS = 600
"""Time without an owner, beyond the time to create a sandbox, after which a sandbox is destroyed.

It may be about to get a lease. Or Redis lost its data, and the users of the sandbox have not written their leases
again.
"""

TRUSTED_SECONDS = 60.0
"""A warm sandbox that answered within this time is handed out without a check."""

PAGE_SIZE = 100


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Ids of sandboxes without a session, as this process knows them."""

    warm: frozenset[str]
    """Those that this process made for the warm pool; another replica may have taken one recently."""

    ownerless: frozenset[str]
    """Those that the last sweep found without an owner."""


class DaytonaEngine:
    """Owns the SDK client, the handles of sandboxes in use, and the warm pool."""

    name = "daytona"

    def __init__(
        self, settings: DaytonaSettings, stock: SharedPool, events: Events | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """``clock`` measures for how long a sandbox has had no owner, in seconds."""
        events = Events() if events is None else events
        self._settings = settings
        self._clock = clock
        self.calls = Calls(events)
        self._stock = stock
        self._instance = secrets.token_hex(6)
        self._daytona: AsyncDaytona | None = None
        self._is_baked = settings.snapshot is not None and settings.snapshot == snapshot.name()
        self._known: dict[str, DaytonaSandbox] = {}
        self._doomed: set[str] = set()
        self._background: set[asyncio.Future[Any]] = set()
        self._tending: asyncio.Task[None] | None = None
        self._nobodys: dict[str, float] = {}
        """Sandboxes without a known owner; value: first time seen so (seconds of the clock)."""
        self._spares = WarmPool(
            settings.warm_sandboxes, stock, self._make_spare, self._attach, self.destroy, events,
            make_seconds=self._create_seconds + PREPARE_SECONDS,
        )  # fmt: skip
        self._trouble: str | None = None

    @property
    def warnings(self) -> list[str]:
        """Warnings for the operator."""
        return [] if self._trouble is None else [f"Daytona: {self._trouble}"]

    def stats(self) -> EngineStats:
        """Return the sandboxes that are in no session."""
        return EngineStats(frozenset(self._spares.ids), frozenset(self._nobodys))

    @property
    def _client(self) -> AsyncDaytona:
        if self._daytona is None:
            raise EngineUnavailable("The sandbox engine is not running.")
        return self._daytona

    @property
    def _create_seconds(self) -> int:
        return CREATE_SECONDS if self._settings.image is None else BUILD_SECONDS

    # --- start and stop ----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Check key and snapshot. Raises ``EngineUnfit`` when Daytona refuses them; an outage is only a warning."""
        self._daytona = connect(self._settings)
        try:
            async with asyncio.timeout(2 * REQUEST_SECONDS):
                await self._try_account()
        except EngineUnfit:
            await self.close()
            raise
        except (DaytonaError, TimeoutError) as error:
            self._trouble = f"it did not answer at the start: {error}"
            log.warning("Daytona did not answer at the start; the service goes on: %s", error)
        self._tending = asyncio.create_task(self._spares.tend())

    async def _try_account(self) -> None:
        try:
            # no sandbox has this instance's label yet, so this reads one page
            await self._list(1, **{INSTANCE_LABEL: self._instance})
            if self._settings.snapshot is not None and self._settings.image is None:
                with self.calls.timed("snapshot"):
                    await self._client.snapshot.get(self._settings.snapshot)
        except (DaytonaAuthenticationError, DaytonaForbiddenError) as error:
            raise EngineUnfit(f"Daytona refuses DAYTONA_API_KEY: {error}. Check it, and DAYTONA_API_URL.") from error
        except DaytonaNotFoundError as error:
            raise EngineUnfit(
                f"DAYTONA_SNAPSHOT: the account has no snapshot of that name: {error}."
                " `python -m app snapshot build` makes the recommended one."
            ) from error

    async def close(self) -> None:
        """Destroy the sandboxes that only this process knows, within a bounded time, and close the client.

        With shared leases there are none: other replicas continue sessions and warm sandboxes, and Daytona stops idle
        ones. A sandbox with a program paused for tools is kept: its continuation token stays valid for the next
        process.
        """
        if self._tending is not None:
            await end(self._tending)
        self._spares.close()
        if not self._settings.has_shared_leases:
            for sandbox_id in [sandbox.id for sandbox in self._known.values() if not sandbox.waits]:
                await self.destroy(sandbox_id)
        await self._settle()
        if self._daytona is not None:
            await self._daytona.close()  # type: ignore[no-untyped-call]  # the SDK left its annotation out
            self._daytona = None

    async def _settle(self) -> None:
        """Wait up to ``CLOSE_SECONDS`` for background tasks and those they start, then cancel the rest."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while self._background and time.monotonic() < deadline:
            await asyncio.wait(self._background, timeout=deadline - time.monotonic())
        for task in self._background:
            task.cancel()

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine as a background task, which ``close`` waits for."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # --- create and find ---------------------------------------------------------------------------------------------

    async def create(self) -> DaytonaSandbox:
        """Take a warm sandbox, or create one."""
        return await self._to_the_end(self._take_or_make())

    async def _take_or_make(self) -> DaytonaSandbox:
        return await self._spares.take() or await self._make()

    async def _make_spare(self) -> DaytonaSandbox:
        return await self._to_the_end(self._make())

    async def _to_the_end(self, work: Coroutine[Any, Any, DaytonaSandbox]) -> DaytonaSandbox:
        """Get a sandbox. If the caller is cancelled meanwhile, the sandbox goes into the warm pool or is destroyed."""
        return await finish(work, self._adopt, self._background)

    async def _adopt(self, sandbox: DaytonaSandbox) -> None:
        if not await self._spares.keep(sandbox.id):
            await self.destroy(sandbox.id)

    async def _attach(self, sandbox_id: str) -> DaytonaSandbox | None:
        """Return a claimed warm sandbox if it is alive and will outlive a run.

        One that answered within ``TRUSTED_SECONDS`` costs no round trip.
        """
        known = self._known.get(sandbox_id)
        if known is not None and self._is_fresh(known) and time.monotonic() - known.heard_at < TRUSTED_SECONDS:
            return known
        try:
            sandbox = await self._look_up(sandbox_id)
        except Unavailable:
            if sandbox_id not in self._doomed:
                await self._spares.put_back(sandbox_id)
            raise
        if sandbox is None or not self._is_fresh(sandbox):
            await self.destroy(sandbox_id)
            return None
        sandbox.starts_empty()
        return sandbox

    async def _make(self) -> DaytonaSandbox:
        try:
            with self.calls.timed("create"):
                remote = await self._client.create(
                    new_sandbox(self._settings, self._instance), timeout=self._create_seconds
                )
        except DaytonaError as error:
            refused = errors.refusal(error, "make a sandbox")
            self._trouble = f"{refused.message} ({error})"
            if isinstance(error, DaytonaTimeoutError) and error.sandbox_id is not None:
                await self.destroy(error.sandbox_id)
            raise refused from error
        sandbox = self._handle(remote)
        try:
            if not self._is_baked:
                await sandbox.prepare()
        except BaseException as error:
            await self.destroy(sandbox.id)
            self._trouble = str(error) or "a sandbox could not be prepared"
            raise
        sandbox.starts_empty()
        self._trouble = None
        return sandbox

    def _handle(self, remote: AsyncSandbox) -> DaytonaSandbox:
        sandbox = DaytonaSandbox(self, remote, is_baked=self._is_baked, expires_at=self._expiry(remote))
        self._known[sandbox.id] = sandbox
        return sandbox

    def _expiry(self, remote: AsyncSandbox) -> float:
        """Return when Daytona destroys the sandbox in any case, in seconds since the epoch."""
        end = when(remote.auto_destroy_at)
        if end is not None:
            return end.timestamp()
        born = when(remote.created_at) or datetime.now(UTC)
        minutes = self._settings.ttl_minutes
        return born.timestamp() + 60 * minutes if minutes else float("inf")

    def _is_fresh(self, sandbox: DaytonaSandbox) -> bool:
        """Return whether a sandbox outlives the longest run and Daytona has had no reason yet to stop it."""
        idle = time.monotonic() - sandbox.heard_at
        is_sure = not self._may_be_stopped(idle) and not sandbox.is_gone
        return is_sure and self._outlives_a_run(sandbox.expires_at)

    def _outlives_a_run(self, expires_at: float) -> bool:
        return expires_at - time.time() > 2 * self._settings.longest_run_seconds

    @property
    def longest_run_seconds(self) -> float:
        """Maximum computing time of one run."""
        return self._settings.longest_run_seconds

    def _may_be_stopped(self, idle_seconds: float) -> bool:
        minutes = self._settings.auto_stop_minutes
        return minutes > 0 and idle_seconds > 0.8 * 60 * minutes

    async def find(self, sandbox_id: str) -> DaytonaSandbox | None:
        """Return a live sandbox: no round trip if it was in use recently, else one."""
        if sandbox_id in self._doomed:
            return None
        sandbox = self._known.get(sandbox_id)
        if sandbox is not None and self._is_fresh(sandbox):
            return sandbox
        if sandbox is not None and not self._outlives_a_run(sandbox.expires_at):
            await self.destroy(sandbox_id)  # it would end in the middle of a run
            return None
        return await self._look_up(sandbox_id)

    async def _look_up(self, sandbox_id: str) -> DaytonaSandbox | None:
        try:
            remote = await self._get(sandbox_id)
        except DaytonaNotFoundError:
            self._known.pop(sandbox_id, None)
            return None
        except DaytonaError as error:
            raise errors.refusal(error, "find the sandbox") from error
        known = self._known.get(sandbox_id)
        if errors.state_of(remote.state) is not State.STARTED:
            await self.destroy(sandbox_id)
            return None
        if known is not None:
            known.heard_at = time.monotonic()
            return known
        sandbox = self._handle(remote)
        if remote.labels.get(RUNNER_LABEL) != archive.runner_name():
            try:
                await sandbox.prepare()  # created by another version of the service
            except EngineUnavailable:
                await self.destroy(sandbox_id)
                raise
        return sandbox

    async def look_at(self, sandbox_id: str) -> tuple[State, datetime | None]:
        """Return a sandbox's state, and the latest time at which it can have entered that state."""
        if sandbox_id in self._doomed:
            return State.GONE, None
        try:
            remote = await self._get(sandbox_id)
        except DaytonaNotFoundError:
            return State.GONE, None
        except DaytonaError:
            return State.UNKNOWN, None
        return errors.state_of(remote.state), when(remote.updated_at)

    # --- destroy and sweep -------------------------------------------------------------------------------------------

    async def destroy(self, sandbox_id: str) -> None:
        """Drop a sandbox at once and delete it in the background; every sweep retries until it is gone."""
        sandbox = self._known.pop(sandbox_id, None)
        if sandbox is not None:
            sandbox.is_gone = True
        if sandbox_id not in self._doomed:
            self._doomed.add(sandbox_id)
            self.in_background(self._delete(sandbox_id, sandbox.remote if sandbox else None))

    async def _delete(self, sandbox_id: str, remote: AsyncSandbox | None) -> bool:
        """Delete a sandbox; 404 counts as done. The next sweep retries any other error (409: between two states)."""
        try:
            remote = remote or await self._get(sandbox_id)
            if errors.state_of(remote.state) is not State.GONE:
                with self.calls.timed("delete"):
                    await remote.delete(timeout=REQUEST_SECONDS)
        except DaytonaNotFoundError:
            log.debug("sandbox %s was gone already", sandbox_id)
        except DaytonaError as error:
            log.warning("sandbox %s was not deleted, the sweep will: %s", sandbox_id, error)
            return False
        self._doomed.discard(sandbox_id)
        return True

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        """Destroy our sandboxes that have long had no owner: not leased, not in the warm pool, not claimed recently.

        Without shared leases, only sandboxes made by this process: others may be in use by another replica.
        """
        kept = await self._stock.kept()
        self._spares.refresh(kept)
        if not leads:
            self._nobodys.clear()
            self._forget_all_but(leased | kept)
            return sum([await self._delete(sandbox_id, None) for sandbox_id in list(self._doomed)])
        try:
            listed = {remote.id: remote for remote in await self._list(PAGE_SIZE)}
        except DaytonaError as error:
            raise errors.refusal(error, "list the sandboxes") from error
        self._forget_all_but(listed.keys() | leased)
        await self._retire([sandbox_id for sandbox_id in kept - leased if not self._may_serve(listed.get(sandbox_id))])
        return await self._delete_orphans(listed, leased | kept)

    async def _delete_orphans(self, listed: dict[str, AsyncSandbox], owned: set[str]) -> int:
        again = [listed.get(sandbox_id) for sandbox_id in list(self._doomed)]
        nobodys = [sandbox_id for sandbox_id, remote in listed.items() if self._is_nobodys(remote, owned)]
        now = self._clock()
        self._nobodys = {sandbox_id: self._nobodys.get(sandbox_id, now) for sandbox_id in nobodys}
        patience = self._create_seconds + PREPARE_SECONDS + ORPHAN_SECONDS
        orphans = [listed[name] for name, since in self._nobodys.items() if now - since >= patience]
        for remote in orphans:
            log.warning("sandbox %s belongs to no session; destroying it", remote.id)
            self._known.pop(remote.id, None)
        doomed = {remote.id: remote for remote in (*again, *orphans) if remote is not None}
        self._doomed &= listed.keys()  # the others are gone
        return sum([await self._delete(sandbox_id, remote) for sandbox_id, remote in doomed.items()])

    def _is_nobodys(self, remote: AsyncSandbox, owned: set[str]) -> bool:
        if remote.id in owned or remote.id in self._doomed:
            return False
        return self._settings.has_shared_leases or remote.labels.get(INSTANCE_LABEL) == self._instance

    def _may_serve(self, remote: AsyncSandbox | None) -> bool:
        if remote is None or errors.state_of(remote.state) is not State.STARTED:
            return False
        return self._outlives_a_run(self._expiry(remote))

    async def _retire(self, sandbox_ids: list[str]) -> None:
        """Remove warm sandboxes that died or are about to. One missing from the list may be too new for it."""
        for sandbox_id in sandbox_ids:
            try:
                remote = await self._get(sandbox_id)
            except DaytonaNotFoundError:
                remote = None
            except DaytonaError as error:
                raise errors.refusal(error, "look at the spare sandboxes") from error
            if not self._may_serve(remote) and await self._stock.withdraw(sandbox_id):
                log.info("spare sandbox %s died or is too old", sandbox_id)
                await self.destroy(sandbox_id)
                self._spares.refresh(await self._stock.kept())

    def _forget_all_but(self, alive: set[str]) -> None:
        for sandbox_id, sandbox in list(self._known.items()):
            if sandbox_id not in alive and time.monotonic() - sandbox.made_at > ORPHAN_SECONDS:
                del self._known[sandbox_id]

    async def _list(self, page: int, **labels: str) -> list[AsyncSandbox]:
        """List the sandboxes of this deployment."""
        query = ListSandboxesQuery(labels={APP_LABEL: self._settings.app, **labels}, limit=page)
        with self.calls.timed("list"):
            pages: Any = self._client.list(query, request_timeout=REQUEST_SECONDS)  # the SDK annotates another type
            return [remote async for remote in pages]

    async def _get(self, sandbox_id: str) -> AsyncSandbox:
        with self.calls.timed("get"):
            return await self._client.get(sandbox_id, request_timeout=REQUEST_SECONDS)


def when(text: str | None) -> datetime | None:
    """Parse a time of the API; one without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
