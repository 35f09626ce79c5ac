"""Jails of this machine: zygotes, warm pool, control groups and workspace I/O as one object."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.engines.local import release
from librechat_code_interpreter.engines.local.cgroups import Cgroups, open_cgroups
from librechat_code_interpreter.engines.local.config import LocalSettings
from librechat_code_interpreter.engines.local.egress_proxy import EgressProxy, parse
from librechat_code_interpreter.engines.local.engine_config import EngineConfig
from librechat_code_interpreter.engines.local.isolate import remove_tree, start_isolated
from librechat_code_interpreter.engines.local.jail_pool import Jail, JailPool, PreparedJail
from librechat_code_interpreter.engines.local.workspace_io import WorkspaceIO
from librechat_code_interpreter.engines.local.zygote_client import Kind, ZygoteClient

log = logging.getLogger(__name__)

_CLOSE_DELAY_SECONDS = 0.003
"""Duration of recording a run and sending its response."""

_PROCESSORS = len(os.sched_getaffinity(0))

T = TypeVar("T")


class Jails:
    """Source of workspaces and jails. If the zygotes die, the next request starts new ones.

    All workspaces die with the zygotes. ``destroy_workspaces`` is called before new ones are started.
    """

    def __init__(
        self, settings: LocalSettings, events: Events, destroy_workspaces: Callable[[], Awaitable[None]]
    ) -> None:
        self._settings = settings
        self._events = events
        self._destroy_workspaces = destroy_workspaces
        self._cgroups: Cgroups | None = None
        self._zygotes: ZygoteClient | None = None
        self._pool: JailPool | None = None
        self._refilling: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self.running = 0
        """Number of programs that run now; paused ones are not counted."""

        self.io = WorkspaceIO(settings.sandbox_uid, settings.sandbox_uid)

    @property
    def config(self) -> EngineConfig | None:
        """Configuration of the zygotes, or ``None`` before they are started."""
        return self._zygotes.config if self._zygotes else None

    @property
    def is_alive(self) -> bool:
        """Whether the zygotes run."""
        return self._zygotes is not None and self._zygotes.is_alive

    @property
    def pool(self) -> JailPool | None:
        """The warm pool; another one after a restart of the zygotes, ``None`` before the start."""
        return self._pool

    @property
    def zygote_pid(self) -> int | None:
        """Process id of the outer jail; ``None`` if the zygotes are dead."""
        return self._zygotes.pid if self._zygotes is not None and self._zygotes.is_alive else None

    @property
    def control_groups(self) -> int:
        """Number of groups made for jails, less those that wait for reuse."""
        return self._cgroups.count_held() if self._cgroups is not None else 0

    @property
    def watched_memory(self) -> int | None:
        """Memory limit (bytes) that the runner has to watch, or ``None`` where a control group does."""
        return None if self._cgroups is not None else self._settings.sandbox_memory_bytes

    def program_env(self, workspace: str, scratch: str) -> dict[str, str]:
        """Return the environment of programs. Raises ``EngineUnavailable`` before the zygotes are started."""
        return self._started()[0].config.program_env(workspace, scratch)

    async def open(self) -> None:
        """Start the zygotes and the warm pool. Raises ``EngineUnfit`` if this machine cannot isolate."""
        self._cgroups = await asyncio.to_thread(open_cgroups)
        await self._start()

    async def _start(self) -> None:
        settings = self._settings
        zygotes = await start_isolated(settings, has_memory_cgroup=self._cgroups is not None)
        self._zygotes = zygotes
        self._pool = JailPool(
            zygotes, self._cgroups, settings.sandbox_memory_bytes, settings.sandbox_processes,
            settings.sandbox_standby, self._events,
            EgressProxy(parse(settings.egress_hosts)) if settings.egress_hosts else None,
            lambda: self.running < _PROCESSORS,
        )  # fmt: skip
        self._refilling = asyncio.create_task(self._pool.keep_full())

    async def close(self) -> None:
        """Kill every process and release the control groups and threads."""
        await self._stop()
        if self._cgroups is not None:
            await asyncio.to_thread(self._cgroups.close)
        self.io.close()

    async def _stop(self) -> None:
        if self._refilling is not None:
            await end(self._refilling)
        if self._closing:
            await asyncio.wait(self._closing)
        if self._zygotes is not None:
            await self._zygotes.stop()
            config = self._zygotes.config
            for directory in (config.home, config.runtime if config.has_bare_runtime else None):
                if directory is not None:
                    await remove_tree(directory)
        if self._pool is not None:
            await self._pool.close()
        await release.all_done()

    async def ensure_alive(self) -> None:
        """Start new zygotes if they have died. Raises ``EngineUnavailable``."""
        await self._retry_once(self._restart_if_dead)

    async def _restart_if_dead(self) -> None:
        async with self._starting:
            if self.is_alive:
                return
            log.error("the zygotes died; starting new ones")
            await self._destroy_workspaces()
            await self._stop()
            try:
                await self._start()
            except EngineUnfit as error:
                raise EngineUnavailable("The sandbox engine could not be started again.") from error

    def _started(self) -> tuple[ZygoteClient, JailPool]:
        if self._zygotes is None or self._pool is None:
            raise EngineUnavailable("The sandbox engine is not running.")
        return self._zygotes, self._pool

    async def _retry_once(self, request: Callable[[], Awaitable[T]]) -> T:
        """Await ``request``. If the zygotes have died, retry once; the retry starts new ones."""
        try:
            return await request()
        except EngineUnavailable:
            if self.is_alive:
                raise
            return await request()

    async def make_workspace(self) -> list[int]:
        """Create an empty workspace (about 1 ms). Return the descriptors of its mount namespace and of its root.

        Without namespaces, both are the workspace's directory.
        """

        async def make() -> list[int]:
            await self._restart_if_dead()
            return await self._started()[0].controls["bare"].ask("workspace")

        return await self._retry_once(make)

    def take_prepared(self, kind: Kind) -> PreparedJail | None:
        """Take a prepared jail, already in an empty workspace, if one is ready."""
        return self._pool.take_prepared(kind) if self._pool is not None else None

    async def take(self, kind: Kind) -> Jail:
        """Take a jail that waits for its run, or make one."""

        async def take() -> Jail:
            await self._restart_if_dead()
            return await self._started()[1].take(kind)

        return await self._retry_once(take)

    def close_later(self, jail: Jail, *, at_once: bool = False) -> asyncio.Task[None]:
        """Close a used jail, already killed, in the background.

        Unless ``at_once`` is set, the response goes out first. Closing the jail and making its successor would compete
        with it.
        """
        closing = asyncio.create_task(self._close(jail, 0 if at_once else _CLOSE_DELAY_SECONDS))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return closing

    async def _close(self, jail: Jail, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        if self._pool is not None:
            self._pool.refill()
        await jail.close()
