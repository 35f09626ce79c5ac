"""One emulator for the session, and engines on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from librechat_code_interpreter.core.protocols import Sandbox
from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
from tests.daytona.cloud import Cloud, running_cloud
from tests.engine.conformance import Facts
from tests.leases.conftest import server, shared_server

__all__ = ["server", "shared_server"]

GiB = 1 << 30


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Run the emulator."""
    with running_cloud() as cloud:
        yield cloud


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(cloud: Cloud) -> AsyncIterator[DaytonaEngine]:
    """Open the engine that the conformance suite runs on, and close it after the last test."""
    async with cloud.engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def facts() -> Facts:
    """Return the facts of the emulator's sandboxes for the conformance suite."""
    return Facts(workspace_bytes=1 << 40, workspace_files=1 << 30, memory_bytes=GiB)


@pytest_asyncio.fixture
async def own(cloud: Cloud) -> AsyncIterator[DaytonaEngine]:
    """Open an engine for one test."""
    async with cloud.engine() as engine:
        yield engine


@pytest_asyncio.fixture
async def sandbox(own: DaytonaEngine) -> Sandbox:
    """Make a sandbox for one test."""
    return await own.create()
