"""Client of a Daytona account: the SDK with timeouts, error mapping and call reporting."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaAuthenticationError,
    DaytonaConfig,
    DaytonaError,
    DaytonaForbiddenError,
    DaytonaNotFoundError,
    ListSandboxesQuery,
    Resources,
)

from librechat_code_interpreter.core.errors import EngineUnavailable, Unavailable
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.engines.daytona import archive, errors
from librechat_code_interpreter.engines.daytona.calls import Calls
from librechat_code_interpreter.engines.daytona.config import DaytonaSettings, Deployment
from librechat_code_interpreter.engines.daytona.errors import State

log = logging.getLogger(__name__)

APP_LABEL = "lc_app"
INSTANCE_LABEL = "lc_instance"
RUNNER_LABEL = "lc_runner"

REQUEST_SECONDS = 15
CREATE_SECONDS = 60
BUILD_SECONDS = 900
"""A sandbox from an image is built first if nobody has built that image recently."""

CLOSE_SECONDS = 15
PAGE_SIZE = 100


class Client:
    """Calls to the control plane of one account, and background work, which ``close`` waits for."""

    def __init__(self, settings: DaytonaSettings, deployment: Deployment, events: Events) -> None:
        self.settings = settings
        self.deployment = deployment
        self.calls = Calls(events)
        self.background: set[asyncio.Future[Any]] = set()
        self.trouble: str | None = None
        """Last fault of the account, for the operator; ``None`` after a sandbox was created."""

        self._instance = secrets.token_hex(6)
        self._sdk: AsyncDaytona | None = None

    @property
    def longest_run_seconds(self) -> float:
        """Maximum computing time of one run."""
        return self.deployment.longest_run_seconds

    @property
    def create_seconds(self) -> int:
        """Timeout of the creation of a sandbox."""
        return CREATE_SECONDS if self.settings.daytona_image is None else BUILD_SECONDS

    def is_own(self, remote: AsyncSandbox) -> bool:
        """Return whether this process created a sandbox."""
        return remote.labels.get(INSTANCE_LABEL) == self._instance

    # --- start and stop ----------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Check key and snapshot. Raises ``EngineUnfit`` when Daytona refuses them; an outage is only a warning."""
        self._sdk = connect(self.settings)
        try:
            async with asyncio.timeout(2 * REQUEST_SECONDS):
                await self._check_account()
        except EngineUnfit:
            await self.close()
            raise
        except (DaytonaError, TimeoutError) as error:
            self.trouble = f"it did not answer at the start: {error}"
            log.warning("Daytona did not answer at the start; the service goes on: %s", error)

    async def _check_account(self) -> None:
        snapshot = self.settings.daytona_snapshot
        try:
            # no sandbox has this instance's label yet, so this reads one page
            await self._list(1, **{INSTANCE_LABEL: self._instance})
            if snapshot is not None and self.settings.daytona_image is None:
                with self.calls.timed("snapshot"):
                    await self._daytona.snapshot.get(snapshot)
        except (DaytonaAuthenticationError, DaytonaForbiddenError) as error:
            raise EngineUnfit(f"Daytona refuses DAYTONA_API_KEY: {error}. Check it, and DAYTONA_API_URL.") from error
        except DaytonaNotFoundError as error:
            raise EngineUnfit(
                f"DAYTONA_SNAPSHOT: the account has no snapshot of that name: {error}."
                " `python -m app snapshot build` makes the recommended one."
            ) from error

    async def close(self) -> None:
        """Wait up to ``CLOSE_SECONDS`` for background tasks and those they start, cancel the rest, and disconnect."""
        deadline = time.monotonic() + CLOSE_SECONDS
        while self.background and time.monotonic() < deadline:
            await asyncio.wait(self.background, timeout=deadline - time.monotonic())
        for task in self.background:
            task.cancel()
        if self._sdk is not None:
            await self._sdk.close()  # type: ignore[no-untyped-call]  # the SDK left its annotation out
            self._sdk = None

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine as a background task, which ``close`` waits for."""
        task = asyncio.create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    # --- calls -------------------------------------------------------------------------------------------------------

    async def create(self) -> AsyncSandbox:
        """Create a sandbox. Raises ``Unavailable``; its cause names the sandbox if that only came too late."""
        try:
            with self.calls.timed("create"):
                return await self._daytona.create(self._new_sandbox(), timeout=self.create_seconds)
        except DaytonaError as error:
            refused = errors.refusal(error, "make a sandbox")
            self.trouble = f"{refused.message} ({error})"
            raise refused from error

    async def get(self, sandbox_id: str, doing: str = "find the sandbox") -> AsyncSandbox | None:
        """Return a sandbox, or ``None`` if it does not exist. Raises ``Unavailable``."""
        try:
            with self.calls.timed("get"):
                return await self._daytona.get(sandbox_id, request_timeout=REQUEST_SECONDS)
        except DaytonaNotFoundError:
            return None
        except DaytonaError as error:
            raise errors.refusal(error, doing) from error

    async def state(self, sandbox_id: str) -> tuple[State, datetime | None]:
        """Return a sandbox's state, and the latest time at which it can have entered that state."""
        try:
            remote = await self.get(sandbox_id)
        except Unavailable:
            return State.UNKNOWN, None
        return (State.GONE, None) if remote is None else (errors.state_of(remote.state), _time(remote.updated_at))

    async def sandboxes(self) -> dict[str, AsyncSandbox]:
        """Return the sandboxes of this deployment by id. Raises ``Unavailable``."""
        try:
            return {remote.id: remote for remote in await self._list(PAGE_SIZE)}
        except DaytonaError as error:
            raise errors.refusal(error, "list the sandboxes") from error

    async def _list(self, page: int, **labels: str) -> list[AsyncSandbox]:
        query = ListSandboxesQuery(labels={APP_LABEL: self.deployment.name, **labels}, limit=page)
        with self.calls.timed("list"):
            pages: Any = self._daytona.list(query, request_timeout=REQUEST_SECONDS)  # the SDK annotates another type
            return [remote async for remote in pages]

    async def delete(self, remote: AsyncSandbox) -> None:
        """Delete a sandbox; one that does not exist counts as deleted. Raises ``Unavailable``."""
        try:
            with self.calls.timed("delete"):
                await remote.delete(timeout=REQUEST_SECONDS)
        except DaytonaNotFoundError:
            log.debug("sandbox %s was gone already", remote.id)
        except DaytonaError as error:
            raise errors.refusal(error, "delete the sandbox") from error

    @property
    def _daytona(self) -> AsyncDaytona:
        if self._sdk is None:
            raise EngineUnavailable("The sandbox engine is not running.")
        return self._sdk

    # --- sandboxes ---------------------------------------------------------------------------------------------------

    def _new_sandbox(self) -> CreateSandboxFromSnapshotParams | CreateSandboxFromImageParams:
        """Return the parameters of a new sandbox.

        They contain no environment, volumes, secrets or user: with any of these Daytona does not hand out a warm
        sandbox.
        """
        settings = self.settings
        common: dict[str, Any] = {
            "labels": {
                APP_LABEL: self.deployment.name,
                INSTANCE_LABEL: self._instance,
                RUNNER_LABEL: archive.runner_name(),
            },
            "ephemeral": True,
            "auto_stop_interval": settings.daytona_auto_stop_minutes,
            "ttl_minutes": settings.daytona_ttl_minutes,
            **_network(settings),
        }
        if settings.daytona_image is None:
            return CreateSandboxFromSnapshotParams(snapshot=settings.daytona_snapshot, **common)
        return CreateSandboxFromImageParams(image=settings.daytona_image, resources=resources(settings), **common)

    def expiry(self, remote: AsyncSandbox) -> float:
        """Return when Daytona destroys a sandbox in any case, in seconds since the epoch."""
        end = _time(remote.auto_destroy_at)
        if end is not None:
            return end.timestamp()
        born = _time(remote.created_at) or datetime.now(UTC)
        minutes = self.settings.daytona_ttl_minutes
        return born.timestamp() + 60 * minutes if minutes else float("inf")

    def outlives_a_run(self, expires_at: float) -> bool:
        """Return whether a sandbox with this expiry certainly lives until the end of the longest run."""
        return expires_at - time.time() > 2 * self.longest_run_seconds

    def may_be_stopped(self, idle_seconds: float) -> bool:
        """Return whether Daytona may have stopped a sandbox that was idle for that long."""
        minutes = self.settings.daytona_auto_stop_minutes
        return minutes > 0 and idle_seconds > 0.8 * 60 * minutes


def connect(settings: DaytonaSettings) -> AsyncDaytona:
    """Create an SDK client; it connects on first use."""
    key = settings.daytona_api_key
    return AsyncDaytona(
        DaytonaConfig(
            api_key=key.get_secret_value() if key else "",
            api_url=settings.daytona_api_url,
            target=settings.daytona_target,
            connection_pool_maxsize=settings.daytona_max_connections,
            otel_enabled=False,
        )
    )


def resources(settings: DaytonaSettings) -> Resources | None:
    """Return the sandbox size set by the operator, or ``None`` if nothing is set."""
    cpu, memory, disk = settings.daytona_cpu, settings.daytona_memory_gib, settings.daytona_disk_gib
    return Resources(cpu=cpu, memory=memory, disk=disk) if any((cpu, memory, disk)) else None


def _network(settings: DaytonaSettings) -> dict[str, bool | str | None]:
    match settings.daytona_network:
        case "block":
            return {"network_block_all": True}
        case "allow":
            return {"network_block_all": False}
        case "allow-list":
            return {"network_allow_list": settings.daytona_network_allow_list}
        case _:
            return {}


def _time(text: str | None) -> datetime | None:
    """Parse a time of the API; one without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
