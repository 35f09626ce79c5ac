"""Wrappers that share one real engine among several applications, and make it hang or fail on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.protocols import Chunks, Engine, Sandbox, Staged
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Pause, Reply, Request, Results

ARRIVED_WITHIN_SECONDS = 60


class Borrowed:
    """Forwards every method; closing destroys only the sandboxes that were made through this wrapper."""

    name = "local"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.alive: dict[str, Sandbox] = {}
        self.made = 0

    @property
    def warnings(self) -> list[str]:
        return self._engine.warnings

    async def open(self) -> None:
        """Do nothing: the owner opened the engine."""

    async def close(self) -> None:
        """Destroy what was made."""
        for sandbox_id in list(self.alive):
            await self.destroy(sandbox_id)

    async def create(self) -> Sandbox:
        sandbox = await self._engine.create()
        self.alive[sandbox.id] = sandbox
        self.made += 1
        return sandbox

    async def find(self, sandbox_id: str) -> Sandbox | None:
        return self.alive.get(sandbox_id)

    async def destroy(self, sandbox_id: str) -> None:
        self.alive.pop(sandbox_id, None)
        await self._engine.destroy(sandbox_id)

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        return 0


class Wrapped:
    """Forwards a sandbox's methods."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.id = sandbox.id

    async def put(self, files: Sequence[Staged]) -> dict[str, str]:
        return await self._sandbox.put(files)

    def get(self, path: str) -> Chunks:
        return self._sandbox.get(path)

    async def exchange(self, request: Request) -> Reply:
        return await self._sandbox.exchange(request)

    async def begin(self, request: Request) -> Reply | Pause:
        return await self._sandbox.begin(request)

    async def resume(self, results: Results) -> Reply | Pause:
        return await self._sandbox.resume(results)


class Holding(Borrowed):
    """An engine that blocks every program until it is released, so that a test knows which runs and which waits."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.waiting = 0
        self.arrived = asyncio.Condition()
        self.let_go = asyncio.Event()

    async def create(self) -> Sandbox:
        sandbox = _Held(await super().create(), self)
        self.alive[sandbox.id] = sandbox
        return sandbox

    async def until_waiting(self, count: int) -> None:
        """Return when this many programs wait for their start."""
        async with self.arrived:
            await asyncio.wait_for(self.arrived.wait_for(lambda: self.waiting >= count), ARRIVED_WITHIN_SECONDS)

    async def pass_gate(self) -> None:
        """Wait for the release."""
        async with self.arrived:
            self.waiting += 1
            self.arrived.notify_all()
        try:
            await self.let_go.wait()
        finally:
            self.waiting -= 1


class _Held(Wrapped):
    def __init__(self, sandbox: Sandbox, engine: Holding) -> None:
        super().__init__(sandbox)
        self._engine = engine

    async def exchange(self, request: Request) -> Reply:
        await self._engine.pass_gate()
        return await super().exchange(request)


class Down(Borrowed):
    """An engine without sandboxes, as in an outage."""

    async def create(self) -> Sandbox:
        raise EngineUnavailable("there is no engine today")


class Dying(Borrowed):
    """An engine whose first sandboxes die at their first run: before the program starts, or while it runs."""

    def __init__(self, engine: Engine, *, deaths: int, during_run: bool = False) -> None:
        super().__init__(engine)
        self.deaths = deaths
        self.during_run = during_run

    async def create(self) -> Sandbox:
        sandbox = _Mortal(await super().create(), self)
        self.alive[sandbox.id] = sandbox
        return sandbox


class _Mortal(Wrapped):
    def __init__(self, sandbox: Sandbox, engine: Dying) -> None:
        super().__init__(sandbox)
        self._engine = engine

    async def exchange(self, request: Request) -> Reply:
        if self._engine.deaths == 0:
            return await super().exchange(request)
        self._engine.deaths -= 1
        await self._engine.destroy(self.id)
        if self._engine.during_run:
            return Reply(Ending.LOST, signal="SIGKILL")
        raise EngineUnavailable("the sandbox was gone")
