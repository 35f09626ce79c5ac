"""Base of the suite: an engine, its facts, and its sandboxes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.protocols import Engine, Sandbox

KiB = 1024
MiB = 1024 * KiB
GONE = (OSError, EngineUnavailable)


@dataclass(frozen=True)
class Facts:
    """How the engine under test is set up; sizes in bytes."""

    workspace_bytes: int
    workspace_files: int
    memory_bytes: int


@pytest.mark.asyncio(loop_scope="session")
class Base:
    """Fixtures: a sandbox for each test, and a second one of another user on request."""

    @pytest_asyncio.fixture(loop_scope="session")
    async def sandbox(self, engine: Engine) -> AsyncIterator[Sandbox]:
        """Make a sandbox for one test."""
        sandbox = await engine.create()
        yield sandbox
        await engine.destroy(sandbox.id)

    @pytest_asyncio.fixture(loop_scope="session")
    async def other(self, engine: Engine) -> AsyncIterator[Sandbox]:
        """Make a second sandbox, of another user."""
        sandbox = await engine.create()
        yield sandbox
        await engine.destroy(sandbox.id)
