"""Local engine: the zygotes, the warm pool of jails and the sandboxes of this machine."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TypeVar

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.engines.local import release, selftest
from librechat_code_interpreter.engines.local.cgroups import Cgroups, open_cgroups
from librechat_code_interpreter.engines.local.config import LocalSettings
from librechat_code_interpreter.engines.local.egress_proxy import EgressProxy, parse
from librechat_code_interpreter.engines.local.isolate import remove_tree, start_isolated
from librechat_code_interpreter.engines.local.jail_pool import Jail, JailPool, PreparedJail
from librechat_code_interpreter.engines.local.processor_time import processor_seconds
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.engines.local.workspace_io import WorkspaceIO
from librechat_code_interpreter.engines.local.zygote_client import Kind, ZygoteClient

log = logging.getLogger(__name__)

ORPHAN_SECONDS = 900.0
"""How long a sandbox without a lease may be unused. Longer than a program may wait for tools."""

_ANSWER_FIRST_SECONDS = 0.003
"""Duration of recording a run and sending its response."""

_PROCESSORS = len(os.sched_getaffinity(0))

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What the engine holds at one moment."""

    zygote_pid: int | None
    """Process id of the outer jail; ``None`` if the zygotes are dead."""

    sandboxes: int
    is_pool_full: bool
    control_groups: int
    """Number of groups made for jails, less those that wait for reuse."""


class LocalEngine:
    """Engine that owns the zygotes, the warm pool of jails and the sandboxes."""

    name = "local"

    def __init__(self, settings: LocalSettings, events: Events | None = None) -> None:
        self._settings = settings
        self._events = Events() if events is None else events
        self._sandboxes: dict[str, LocalSandbox] = {}
        self._cgroups: Cgroups | None = None
        self._zygotes: ZygoteClient | None = None
        self._standby: JailPool | None = None
        self._tending: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._escapes: list[str] = []
        self.running = 0
        """Number of programs that run now; paused ones are not counted."""

        self.io = WorkspaceIO(settings.uid, settings.uid)

    @property
    def isolation(self) -> str:
        """Isolation level of programs, or ``not started``."""
        return self._zygotes.recipe.isolation if self._zygotes else "not started"

    @property
    def warnings(self) -> list[str]:
        """Warnings that an operator must not overlook."""
        told = []
        if self.isolation not in ("full", "not started"):
            told.append(f"isolation is {self.isolation}: programs see more of this machine than they should")
        if self._settings.egress_hosts:
            told.append(f"programs can reach, and send data to: {', '.join(self._settings.egress_hosts)}")
        if self._settings.runtime is None:
            told.append("no sandbox runtime: Python has no packages and JavaScript is missing; run `make install`")
        return told

    @property
    def pool(self) -> JailPool | None:
        """The warm pool; another one after a restart of the zygotes, ``None`` before the start."""
        return self._standby

    def stats(self) -> EngineStats:
        """Return what the engine holds now."""
        return EngineStats(
            zygote_pid=self._zygotes.pid if self._zygotes is not None and self._zygotes.is_alive else None,
            sandboxes=len(self._sandboxes),
            is_pool_full=self._standby is not None and self._standby.is_full,
            control_groups=self._cgroups.count_held() if self._cgroups is not None else 0,
        )

    @property
    def watched_memory(self) -> int | None:
        """Memory limit (bytes) that the runner has to watch, or ``None`` where a control group does."""
        return None if self._cgroups is not None else self._settings.memory_bytes

    def program_env(self, workspace: str, scratch: str) -> dict[str, str]:
        """Return the environment of programs. Raises ``EngineUnavailable`` before the zygotes are started."""
        if self._zygotes is None:
            raise EngineUnavailable("The sandbox engine is not running.")
        return self._zygotes.recipe.program_env(workspace, scratch)

    async def open(self) -> None:
        """Start the zygotes and run the self-test. Raises ``EngineUnfit`` if this machine cannot isolate."""
        self._cgroups = await asyncio.to_thread(open_cgroups)
        try:
            await self._start()
            await self._try_to_get_out()
            if self._escapes:
                raise EngineUnfit(f"Programs are not contained on this machine: {'; '.join(self._escapes)}.")
        except EngineUnfit:
            await self.close()
            raise

    async def _start(self) -> None:
        settings = self._settings
        zygotes = await start_isolated(settings, has_memory_cgroup=self._cgroups is not None)
        self._zygotes = zygotes
        self._standby = JailPool(
            zygotes, self._cgroups, settings.memory_bytes, settings.processes, settings.standby, self._events,
            EgressProxy(parse(settings.egress_hosts)) if settings.egress_hosts else None,
            lambda: self.running < _PROCESSORS,
        )  # fmt: skip
        self._tending = asyncio.create_task(self._standby.tend())

    async def _try_to_get_out(self) -> None:
        """Run the self-test program in a jail. With full isolation, an escape stops all runs."""
        try:
            found = await self._canary()
        except selftest.Lost:  # perhaps the zygotes were killed; a second loss in a row is no accident
            try:
                found = await self._canary()
            except selftest.Lost:
                found = ["the canary was lost, twice"]
        if found and self.isolation == "full":
            log.error("the canary got out: %s", "; ".join(found))
            self._escapes = found
        else:
            self._escapes = []

    async def _canary(self) -> list[str]:
        sandbox = await self.create()
        try:
            return await selftest.escapes(sandbox)
        finally:
            await self.destroy(sandbox.id)

    async def close(self) -> None:
        """Kill every process and free every workspace."""
        await self._stop(for_good=True)
        if self._cgroups is not None:
            await asyncio.to_thread(self._cgroups.close)
        self.io.close()

    async def _stop(self, *, for_good: bool = False) -> None:
        """Kill what runs and free the workspaces.

        A sandbox without a workspace outlives the zygotes, unless ``for_good`` is set.
        """
        if self._tending is not None:
            await end(self._tending)
        if self._ending:
            await asyncio.wait(self._ending)
        for sandbox in list(self._sandboxes.values()):
            if for_good or sandbox.has_workspace:
                await self.destroy(sandbox.id)
        if self._zygotes is not None:
            await self._zygotes.stop()
            recipe = self._zygotes.recipe
            for directory in (recipe.home, None if self._settings.runtime else recipe.runtime):
                if directory is not None:
                    await remove_tree(directory)
        if self._standby is not None:
            await self._standby.close()
        await release.all_done()

    async def _alive(self) -> tuple[ZygoteClient, JailPool]:
        """Return the zygotes and their pool. If the zygotes died, start new ones; all workspaces died with them."""
        async with self._starting:
            if self._zygotes is None or not self._zygotes.is_alive:
                log.error("the zygotes died; starting new ones")
                await self._stop()
                try:
                    await self._start()
                except EngineUnfit as error:
                    raise EngineUnavailable("The sandbox engine could not be started again.") from error
            if self._zygotes is None or self._standby is None:
                raise EngineUnavailable("The sandbox engine is not running.")
            return self._zygotes, self._standby

    async def create(self) -> LocalSandbox:
        """Create an empty sandbox. Its workspace is made at its first use, or at once where it is a host directory."""
        if self._escapes:
            raise EngineUnavailable("Programs are no longer contained on this machine; nothing is run until they are.")
        zygotes, _ = await self._asked_twice(self._alive)
        sandbox = LocalSandbox(self)
        if zygotes.recipe.home:  # its paths have to be known from the start
            await sandbox.settle_on_host()
        self._sandboxes[sandbox.id] = sandbox
        return sandbox

    async def find(self, sandbox_id: str) -> LocalSandbox | None:
        """Return a live sandbox, or ``None`` if it is gone."""
        return self._sandboxes.get(sandbox_id) if self._zygotes and self._zygotes.is_alive else None

    async def processor_seconds(self, sandbox_ids: Collection[str]) -> dict[str, float]:
        """Return the processor time of the programs that run in these sandboxes."""
        runners = {name: self._sandboxes[name].runner_pids for name in sandbox_ids if name in self._sandboxes}
        used = await asyncio.to_thread(processor_seconds, {pid for pids in runners.values() for pid in pids})
        return {name: sum(used[pid] for pid in pids) for name, pids in runners.items() if used.keys() >= set(pids)}

    async def destroy(self, sandbox_id: str) -> None:
        """Destroy a sandbox and free its workspace. An unknown id is ignored."""
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is not None:
            await sandbox.close()

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        """Repeat the self-test, destroy the sandboxes whose leases Redis lost, and return their number.

        Readiness uses a sandbox without a lease, and so does a caller that is about to write one. Neither leaves it
        unused for ``ORPHAN_SECONDS``.
        """
        self._escapes = []
        await self._try_to_get_out()
        orphans = [
            sandbox
            for sandbox in self._sandboxes.values()
            if sandbox.id not in leased and sandbox.unused_seconds() > ORPHAN_SECONDS
        ]
        for sandbox in orphans:
            await self.destroy(sandbox.id)
        return len(orphans)

    async def make_workspace(self) -> list[int]:
        """Create an empty workspace (about 1 ms). Return the descriptors of what a jail enters and of its root."""
        return await self._asked_twice(self._workspace)

    def take_prepared(self, kind: Kind) -> PreparedJail | None:
        """Take a prepared jail, already in an empty workspace, if one is ready."""
        return self._standby.take_prepared(kind) if self._standby is not None else None

    async def take_jail(self, kind: Kind) -> Jail:
        """Take a jail that waits for its run, or make one."""
        return await self._asked_twice(lambda: self._jail(kind))

    async def _workspace(self) -> list[int]:
        zygotes, _ = await self._alive()
        return await zygotes.controls["bare"].ask("workspace")

    async def _jail(self, kind: Kind) -> Jail:
        _, standby = await self._alive()
        return await standby.take(kind)

    async def _asked_twice(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Await ``ask``. If the zygotes have died, retry once; the retry starts new ones."""
        try:
            return await ask()
        except EngineUnavailable:
            if self._zygotes is not None and self._zygotes.is_alive:
                raise
            return await ask()

    def give_back(self, jail: Jail, *, at_once: bool = False) -> asyncio.Task[None]:
        """Close a used jail, already killed, in the background.

        Unless ``at_once`` is set, the response goes out first. Closing the jail and making its successor would compete
        with it.
        """
        ending = asyncio.create_task(self._finish(jail, 0 if at_once else _ANSWER_FIRST_SECONDS))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        return ending

    async def _finish(self, jail: Jail, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        if self._standby is not None:
            self._standby.refill()
        await jail.close()
