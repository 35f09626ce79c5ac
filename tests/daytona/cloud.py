"""Control of the emulator: its calls, faults and sandboxes."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from devtools.daytona_emulator.server import running
from devtools.daytona_emulator.settings import Settings
from librechat_code_interpreter.core.events import Events
from librechat_code_interpreter.core.protocols import SharedPool
from librechat_code_interpreter.engines.daytona.client import APP_LABEL
from librechat_code_interpreter.engines.daytona.config import DaytonaSettings, Deployment
from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
from librechat_code_interpreter.leases.memory_pool import MemoryPool
from tests.runtime import RUNTIME

KEY = "emulator"
PATIENCE_SECONDS = 60.0
_SANDBOX = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass
class Clock:
    """A clock that a test can put forward."""

    ahead_seconds: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_seconds

    def let_pass(self, minutes: float) -> None:
        """Let so much time have passed."""
        self.ahead_seconds += 60 * minutes


@dataclass(frozen=True)
class Cloud:
    """An emulator that runs."""

    address: str

    @property
    def api_url(self) -> str:
        """What DAYTONA_API_URL has to be."""
        return f"{self.address}/api"

    def _ask(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        reply = httpx.request(
            method, f"{self.address}/__emulator/{path}", json=body, params=query, timeout=PATIENCE_SECONDS
        )
        reply.raise_for_status()
        return reply.json() if reply.content else None

    def calls(self) -> list[str]:
        """Return the HTTP calls since the last reset, as ``POST /process/execute``, without the event stream."""
        entries = self._ask("GET", "log")
        return [f"{entry['method']} {_shown(entry['path'])}" for entry in entries if entry["method"] != "WS"]

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """Collect the calls of a block; they are complete at its end."""
        self._ask("DELETE", "log")
        seen: list[str] = []
        yield seen
        seen += self.calls()

    @contextmanager
    def fault(self, preset: str | None = None, **fault: Any) -> Iterator[None]:
        """Inject faults during a block."""
        self._ask("POST", "faults", fault | ({"preset": preset} if preset else {}))
        try:
            yield
        finally:
            self._ask("DELETE", "faults")

    @contextmanager
    def set_to(self, **settings: Any) -> Iterator[None]:
        """Change settings during a block."""
        before = self._ask("GET", "settings")
        self._ask("PATCH", "settings", settings)
        try:
            yield
        finally:
            self._ask("PATCH", "settings", {name: before[name] for name in settings})

    def force(self, sandbox_id: str, state: str) -> None:
        """Put a sandbox into a state, as an outage does: stopped, error, destroyed."""
        self._ask("PUT", f"sandboxes/{sandbox_id}", {"state": state})

    def sandboxes(self) -> dict[str, dict[str, Any]]:
        """Return the emulator's sandboxes by id."""
        return {item["id"]: item for item in self._ask("GET", "sandboxes")}

    def of(self, app: str) -> set[str]:
        """Name the sandboxes of one deployment; other tests' engines have their own label."""
        return {name for name, item in self.sandboxes().items() if item["labels"].get(APP_LABEL) == app}

    async def until_gone(self, *sandbox_ids: str) -> None:
        """Wait until sandboxes are deleted."""
        await until(lambda: not self.sandboxes().keys() & set(sandbox_ids))

    def settings(self, **changes: Any) -> DaytonaSettings:
        """Return the settings of an engine that uses this cloud; names come without ``daytona_``."""
        values = {"api_key": KEY, "api_url": self.api_url, "target": "us"} | changes
        return DaytonaSettings(**{f"daytona_{name}": value for name, value in values.items()})

    @asynccontextmanager
    async def engine(
        self, stock: SharedPool | None = None, events: Events | None = None, clock: Clock | None = None, *,
        app: str = "librechat-code", has_shared_leases: bool = False, **changes: Any,
    ) -> AsyncIterator[DaytonaEngine]:  # fmt: skip
        """Open an engine, and close it; a shared stock makes several of them replicas."""
        deployment = Deployment(app, has_shared_leases)
        engine = DaytonaEngine(self.settings(**changes), stock or MemoryPool(), events, clock or Clock(), deployment)
        await engine.open()
        try:
            yield engine
        finally:
            await engine.close()


async def until(happened: Callable[[], bool]) -> None:
    """Let the engine work until a condition is true. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not happened():  # noqa: ASYNC110  it happens in the background, which sets no event for us
            await asyncio.sleep(0.02)


def _shown(path: str) -> str:
    return _SANDBOX.sub("{id}", path).removeprefix("/toolbox/{id}").removeprefix("/api")


@contextmanager
def running_cloud() -> Iterator[Cloud]:
    """Start an emulator, and stop it."""
    with running(Settings(api_key=KEY), RUNTIME) as address:
        yield Cloud(address)
