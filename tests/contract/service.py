"""The real application with its lifespan, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from starlette.types import ASGIApp, Message

from librechat_code_interpreter.core.protocols import Engine
from librechat_code_interpreter.main import create_app
from librechat_code_interpreter.settings import Settings
from librechat_code_interpreter.wiring import Parts, assemble
from tests.contract.caller import Caller

API_KEY = "the-key-of-these-tests"
LIFE_STEP_SECONDS = 60
_FROM_MACHINE = {"sandbox_runtime", "sandbox_uid"}


@dataclass(frozen=True)
class Service:
    """A running application, and its parts for what no request can bring about."""

    app: ASGIApp
    parts: Parts
    store: Path

    def http(self, **headers: str) -> httpx.AsyncClient:
        """Make an HTTP client that sends these headers (underscores stand for hyphens)."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://service", headers=sent)

    def caller(self, **headers: str) -> Caller:
        """Make a client with the API key."""
        return Caller(self.http(X_API_Key=API_KEY, **headers))

    def bearer(self, token: str) -> Caller:
        """Make a client with a token."""
        return Caller(self.http(Authorization=f"Bearer {token}"))

    def stored(self) -> set[str]:
        """Name every file in the store."""
        return {str(path.relative_to(self.store)) for path in self.store.rglob("*") if path.is_file()}


def settings_for(store: Path, **values: Any) -> Settings:
    """Make settings from these values alone, without the machine's environment and without waits at shutdown."""
    with pytest.MonkeyPatch.context() as environment:
        for name in Settings.model_fields.keys() - _FROM_MACHINE:
            environment.delenv(name.upper(), raising=False)
        usual = {"adapter_api_key": API_KEY, "file_store_url": str(store), "drain_seconds": 0}
        return Settings(**{**usual, **values})


@asynccontextmanager
async def serving(store: Path, engine: Engine | None = None, **values: Any) -> AsyncIterator[Service]:
    """Start the application, and stop it afterwards as a server does."""
    settings = settings_for(store, **values)
    parts = assemble(settings, engine)
    with patch("librechat_code_interpreter.main.assemble", return_value=parts):
        app = create_app(settings, engine)
    async with life_of(app):
        yield Service(app, parts, store)


async def until(happened: Callable[[], bool]) -> None:
    """Let other tasks run until a condition is true. Raises TimeoutError."""
    async with asyncio.timeout(LIFE_STEP_SECONDS):
        while not happened():  # noqa: ASYNC110  it happens inside the application, which sets no event for us
            await asyncio.sleep(0)


@asynccontextmanager
async def life_of(app: ASGIApp) -> AsyncIterator[None]:
    """Run the ASGI lifespan in one task, as a server does."""
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()

    async def send(message: Message) -> None:
        await from_app.put(message)

    async def step(name: str) -> None:
        await to_app.put({"type": f"lifespan.{name}"})
        telling = asyncio.ensure_future(from_app.get())
        done, _ = await asyncio.wait({telling, living}, timeout=LIFE_STEP_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if telling not in done:
            telling.cancel()
            living.cancel()
            await living
        assert telling.result()["type"] == f"lifespan.{name}.complete", telling.result()

    living = asyncio.ensure_future(app({"type": "lifespan", "asgi": {"version": "3.0"}}, to_app.get, send))
    await step("startup")
    try:
        yield
    finally:
        await step("shutdown")
        await living
