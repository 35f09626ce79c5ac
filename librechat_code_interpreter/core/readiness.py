"""Readiness probe: the store answers, and a program in a sandbox computed 42."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from librechat_code_interpreter.core.errors import LeasesUnavailable, ServiceError
from librechat_code_interpreter.core.languages import find_language
from librechat_code_interpreter.core.protocols import Engine, Retention, Sandbox, SharedPool
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Limits, Request

FRESH_SECONDS = 5.0
_PROGRAM_SECONDS = 10.0


@dataclass(slots=True)
class Readiness:
    """Result of one probe, with the reason for each part that cannot serve."""

    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether every part can serve."""
        return not self.reasons


class Prober:
    """Probes the store and the engine, at most once in ``FRESH_SECONDS`` however many requests ask."""

    def __init__(self, engine: Engine, store: Retention, stock: SharedPool) -> None:
        self._engine = engine
        self._store = store
        self._stock = stock
        self._last = Readiness({"service": "starting"})
        self._looked_at = float("-inf")
        self._turn = asyncio.Lock()
        self._sandbox_id: str | None = None

    async def look(self) -> Readiness:
        """Return the state of the store and the engine."""
        async with self._turn:
            if time.monotonic() - self._looked_at > FRESH_SECONDS:
                self._last = await self._look()
                self._looked_at = time.monotonic()
            return self._last

    async def _look(self) -> Readiness:
        found = Readiness()
        try:
            await self._store.probe()
        except ServiceError as error:
            found.reasons["store"] = error.message
        try:
            await compute(await self._sandbox())
        except ServiceError as error:
            found.reasons["engine"] = error.message
        except WrongAnswer as error:
            found.reasons["engine"] = str(error)
        return found

    async def _sandbox(self) -> Sandbox:
        """Return the sandbox for probes: the same one while it lives, because creating one may cost money."""
        sandbox = await self._engine.find(self._sandbox_id) if self._sandbox_id else None
        if sandbox is None:
            sandbox = await self._engine.create()
            self._sandbox_id = sandbox.id
        with suppress(LeasesUnavailable):  # no sweep happens without leases
            await self._stock.guard(sandbox.id)  # no lease names it
        return sandbox


class WrongAnswer(Exception):
    """The engine ran the probe program, and its result was wrong."""


async def compute(sandbox: Sandbox) -> None:
    """Run a program that computes 42. Raises ``WrongAnswer`` or ``EngineUnavailable``."""
    language = find_language("py")
    assert language is not None  # noqa: S101  Python is always in the table
    reply = await sandbox.exchange(Request(language.program("print(6*7)", []), Limits(wall_seconds=_PROGRAM_SECONDS)))
    if reply.ending is not Ending.OK or reply.stdout != "42\n":
        raise WrongAnswer(f"A program that prints 6*7 ended with '{reply.ending}': {reply.stderr[-200:]}")
