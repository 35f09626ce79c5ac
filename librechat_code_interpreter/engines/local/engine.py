"""Local engine: the sandboxes of this machine and the self-test of their isolation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.engines.local import selftest
from librechat_code_interpreter.engines.local.config import LocalSettings
from librechat_code_interpreter.engines.local.jails import Jails
from librechat_code_interpreter.engines.local.processor_time import processor_seconds
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox

log = logging.getLogger(__name__)

ORPHAN_SECONDS = 900.0
"""How long a sandbox without a lease may be unused. Longer than a program may wait for tools."""


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
    """Engine that owns the sandboxes of this machine and their jails."""

    name = "local"

    def __init__(self, settings: LocalSettings, events: Events | None = None) -> None:
        self._settings = settings
        self._sandboxes: dict[str, LocalSandbox] = {}
        self._escapes: list[str] = []
        self.jails = Jails(settings, Events() if events is None else events, self._destroy_workspaces)

    @property
    def isolation(self) -> str:
        """Isolation level of programs, or ``not started``."""
        return self.jails.config.isolation if self.jails.config else "not started"

    @property
    def warnings(self) -> list[str]:
        """Warnings that an operator must not overlook."""
        warnings = []
        if self.isolation not in ("full", "not started"):
            warnings.append(f"isolation is {self.isolation}: programs see more of this machine than they should")
        if self._settings.egress_hosts:
            warnings.append(f"programs can reach, and send data to: {', '.join(self._settings.egress_hosts)}")
        if self.jails.config and self.jails.config.has_bare_runtime:
            warnings.append("no sandbox runtime: Python has no packages and JavaScript is missing; run `make install`")
        return warnings

    def stats(self) -> EngineStats:
        """Return what the engine holds now."""
        jails = self.jails
        return EngineStats(
            zygote_pid=jails.zygote_pid,
            sandboxes=len(self._sandboxes),
            is_pool_full=jails.pool is not None and jails.pool.is_full,
            control_groups=jails.control_groups,
        )

    async def open(self) -> None:
        """Start the zygotes and run the self-test. Raises ``EngineUnfit`` if this machine cannot isolate."""
        try:
            await self.jails.open()
            await self._run_selftest()
            if self._escapes:
                raise EngineUnfit(f"Programs are not contained on this machine: {'; '.join(self._escapes)}.")
        except EngineUnfit:
            await self.close()
            raise

    async def _run_selftest(self) -> None:
        """Run the self-test program in a jail. With full isolation, an escape stops all runs."""
        try:
            found = await self._selftest()
        except selftest.Lost:  # perhaps the zygotes were killed; a second loss in a row is no accident
            try:
                found = await self._selftest()
            except selftest.Lost:
                found = ["the self-test was lost, twice"]
        if found and self.isolation == "full":
            log.error("the self-test escaped: %s", "; ".join(found))
            self._escapes = found
        else:
            self._escapes = []

    async def _selftest(self) -> list[str]:
        sandbox = await self.create()
        try:
            return await selftest.escapes(sandbox)
        finally:
            await self.destroy(sandbox.id)

    async def close(self) -> None:
        """Kill every process and free every workspace."""
        for sandbox_id in list(self._sandboxes):
            await self.destroy(sandbox_id)
        await self.jails.close()

    async def _destroy_workspaces(self) -> None:
        """Destroy the sandboxes that have a workspace; the others outlive the zygotes."""
        for sandbox in list(self._sandboxes.values()):
            if sandbox.has_workspace:
                await self.destroy(sandbox.id)

    async def create(self) -> LocalSandbox:
        """Create an empty sandbox. Its workspace is made at its first use, or at once where it is a host directory."""
        if self._escapes:
            raise EngineUnavailable("Programs are no longer contained on this machine; nothing is run until they are.")
        await self.jails.ensure_alive()
        sandbox = LocalSandbox(self.jails)
        if self.jails.config and self.jails.config.home:  # its paths have to be known from the start
            await sandbox.make_on_host()
        self._sandboxes[sandbox.id] = sandbox
        return sandbox

    async def find(self, sandbox_id: str) -> LocalSandbox | None:
        """Return a live sandbox, or ``None`` if it is gone."""
        return self._sandboxes.get(sandbox_id) if self.jails.is_alive else None

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
        await self._run_selftest()
        orphans = [
            sandbox
            for sandbox in self._sandboxes.values()
            if sandbox.id not in leased and sandbox.unused_seconds() > ORPHAN_SECONDS
        ]
        for sandbox in orphans:
            await self.destroy(sandbox.id)
        return len(orphans)
