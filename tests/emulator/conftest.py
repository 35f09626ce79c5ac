"""One emulator for all tests here, reset before each of them."""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict

import pytest
from daytona import AsyncDaytona, AsyncSandbox, CreateSandboxFromSnapshotParams

from devtools.daytona_emulator.server import running
from devtools.daytona_emulator.settings import Settings
from tests.emulator.emulator import KEY, Emulator, plain_client
from tests.runtime import RUNTIME


@pytest.fixture(scope="session", autouse=True)
def certificates_are_loaded_once() -> Iterator[None]:
    """Each client of the SDK loads the machine's certificates twice, 0.2 s in all; nothing here speaks TLS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def only_emulator() -> Iterator[Emulator]:
    with running(Settings(api_key=KEY), RUNTIME) as address, plain_client(address) as admin:
        yield Emulator(address, admin)


@pytest.fixture
def emulator(only_emulator: Emulator) -> Iterator[Emulator]:
    only_emulator.forget_calls()
    yield only_emulator
    only_emulator.forget_faults()
    defaults = asdict(Settings())
    del defaults["api_key"]
    only_emulator.set(**defaults)
    for box in only_emulator.sandboxes():
        only_emulator.force(box["id"], "destroyed")


@pytest.fixture
async def sdk(emulator: Emulator) -> AsyncIterator[AsyncDaytona]:
    async with emulator.sdk() as client:
        yield client


@pytest.fixture
async def sandbox(sdk: AsyncDaytona, emulator: Emulator) -> AsyncSandbox:
    """A started sandbox; the log begins after its creation."""
    made = await sdk.create(CreateSandboxFromSnapshotParams(), timeout=60)
    emulator.forget_calls()
    return made
