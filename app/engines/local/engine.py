"""Give sandboxes on this machine: a workspace each, and a fresh jail for every run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace

from app.core.errors import EngineUnavailable
from app.core.ids import new_id
from app.core.ports import Chunks, Staged
from app.engines.local.cgroups import Cgroups, open_cgroups
from app.engines.local.recipe import LocalSettings, prepare, program_env
from app.engines.local.standby import Jail, Standby
from app.engines.local.workspace_io import WorkspaceIO
from app.engines.local.zygotes import Kind, Zygotes
from app.runner.endings import Ending
from app.runner.messages import Reply, Request
from app.runner.serve import HEADER, pack

log = logging.getLogger(__name__)

_IMPORTED = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)|import[ \t]+([\w., \t]+))", re.MULTILINE)


class LocalSandbox:
    """Hold a workspace: its mount namespace and a descriptor of its root. It costs no process while idle."""

    def __init__(self, engine: LocalEngine, mounts: int, root: int) -> None:
        self.id = new_id()
        self._engine = engine
        self._mounts = mounts
        self._root = root

    async def put(self, files: Sequence[Staged]) -> dict[str, str]:
        """Write files into the workspace; give the reason for each path that could not be written."""
        refused: dict[str, str] = {}
        for item in files:
            try:
                await self._engine.io.put(self._root, item)
            except OSError as error:
                refused[item.path] = error.strerror or str(error)
        return refused

    def get(self, path: str) -> Chunks:
        """Read one file of the workspace."""
        return self._engine.io.get(self._root, path)

    async def exchange(self, request: Request) -> Reply:
        """Run one program in a fresh jail."""
        return await self._engine.run(self._mounts, request)

    def close(self) -> None:
        """Let the kernel free the workspace."""
        os.close(self._mounts)
        os.close(self._root)


class LocalEngine:
    """Keep the zygotes alive, the jails ready and the sandboxes known."""

    name = "local"

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._sandboxes: dict[str, LocalSandbox] = {}
        self._cgroups: Cgroups | None = None
        self._zygotes: Zygotes | None = None
        self._standby: Standby | None = None
        self._tending: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self.io = WorkspaceIO(settings.uid, settings.uid)

    async def open(self) -> None:
        """Start the zygotes. Raises ``EngineUnfit`` where this machine cannot isolate."""
        self._cgroups = await asyncio.to_thread(open_cgroups)
        await self._start()

    async def _start(self) -> None:
        zygotes = Zygotes(prepare(self._settings, has_memory_cgroup=self._cgroups is not None))
        await zygotes.start()
        settings = self._settings
        self._zygotes = zygotes
        self._standby = Standby(zygotes, self._cgroups, settings.memory_bytes, settings.processes, settings.standby)
        self._tending = asyncio.create_task(self._standby.tend())

    async def close(self) -> None:
        """End every process and free every workspace."""
        await self._stop()
        if self._cgroups is not None:
            await asyncio.to_thread(self._cgroups.close)
        self.io.close()

    async def _stop(self) -> None:
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.wait([self._tending])
        if self._zygotes is not None:
            await self._zygotes.stop()
        if self._standby is not None:
            await self._standby.close()
        for sandbox_id in list(self._sandboxes):
            await self.destroy(sandbox_id)

    async def _alive(self) -> tuple[Zygotes, Standby]:
        """Give the zygotes, started again if they died; the sandboxes of the dead ones died with them."""
        async with self._starting:
            if self._zygotes is None or not self._zygotes.is_alive:
                log.error("the zygotes died; starting new ones")
                await self._stop()
                await self._start()
            if self._zygotes is None or self._standby is None:
                raise EngineUnavailable("The sandbox engine is not running.")
            return self._zygotes, self._standby

    async def create(self) -> LocalSandbox:
        """Make an empty workspace (about a millisecond)."""
        zygotes, _ = await self._alive()
        mounts, root = await zygotes.controls["bare"].ask("workspace")
        sandbox = LocalSandbox(self, mounts, root)
        self._sandboxes[sandbox.id] = sandbox
        return sandbox

    async def find(self, sandbox_id: str) -> LocalSandbox | None:
        """Give a live sandbox again."""
        return self._sandboxes.get(sandbox_id) if self._zygotes and self._zygotes.is_alive else None

    async def destroy(self, sandbox_id: str) -> None:
        """Free a workspace."""
        sandbox = self._sandboxes.pop(sandbox_id, None)
        if sandbox is not None:
            sandbox.close()

    async def sweep(self, leased: set[str]) -> int:
        """Do nothing: sandboxes end with this process, so none is ever orphaned."""
        return 0

    async def run(self, mounts: int, request: Request) -> Reply:
        """Run one program in a fresh jail on the given workspace. Cancelling kills the jail."""
        _, standby = await self._alive()
        jail = await standby.take(self._kind_for(request))
        try:
            return await self._exchange(jail, mounts, self._completed(request))
        finally:
            # shielded: a cancelled request must not leave a jail behind
            await asyncio.shield(self._finish(jail, standby))

    async def _finish(self, jail: Jail, standby: Standby) -> None:
        await jail.close()
        standby.refill()

    def _completed(self, request: Request) -> Request:
        """Add the environment of this engine's sandboxes; let the runner watch memory where no control group does."""
        request = replace(request, env=program_env() | request.env)
        if self._cgroups is not None:
            return request
        return replace(request, limits=replace(request.limits, memory_bytes=self._settings.memory_bytes))

    def _kind_for(self, request: Request) -> Kind:
        """Choose the loaded interpreter when the program imports more than the standard library."""
        if request.program.place != "warm":
            return "bare"
        for match in _IMPORTED.finditer(request.program.source):
            names = (match.group(1) or match.group(2)).split(",")
            if any(name.strip().partition(".")[0].split(" ")[0] not in sys.stdlib_module_names for name in names):
                return "loaded"
        return "bare"

    async def _exchange(self, jail: Jail, mounts: int, request: Request) -> Reply:
        try:
            socket.send_fds(jail.wire, [b"."], [mounts])
            await asyncio.get_running_loop().sock_sendall(jail.wire, pack(json.dumps(request.to_json()).encode()))
        except OSError as error:
            raise EngineUnavailable(f"The sandbox went away before the program started: {error}.") from error
        body = await _receive(jail.wire)
        ran_out = jail.group is not None and jail.group.ran_out_of_memory()
        if body is None:
            return Reply(Ending.MEMORY if ran_out else Ending.LOST, signal="SIGKILL")
        reply = Reply.from_json(json.loads(body))
        if ran_out and reply.ending in (Ending.SIGNAL, Ending.EXIT):
            reply.ending = Ending.MEMORY
        return reply


async def _receive(wire: socket.socket) -> bytes | None:
    """Read one message; ``None`` when the jail ended without one."""
    header = await _read_exactly(wire, HEADER.size)
    return None if header is None else await _read_exactly(wire, HEADER.unpack(header)[0])


async def _read_exactly(wire: socket.socket, size: int) -> bytes | None:
    loop = asyncio.get_running_loop()
    parts = bytearray()
    while len(parts) < size:
        try:
            chunk = await loop.sock_recv(wire, min(size - len(parts), 1 << 20))
        except ConnectionError:
            return None
        if not chunk:
            return None
        parts += chunk
    return bytes(parts)
