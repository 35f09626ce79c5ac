"""One local engine for the whole session, small enough for its limits to be reached quickly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from librechat_code_interpreter.engines.local.config import LocalSettings
from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from tests.engine.conformance import Facts
from tests.runtime import RUNTIME

MiB = 1024 * 1024
CANARY = "CANARY_OF_THE_SERVICE"
SETTINGS = LocalSettings(
    sandbox_runtime=RUNTIME, sandbox_preload="numpy", sandbox_standby=1, sandbox_memory_bytes=128 * MiB,
    sandbox_processes=32, sandbox_workspace_bytes=16 * MiB, sandbox_workspace_files=256, sandbox_tmp_bytes=16 * MiB,
    sandbox_shm_bytes=4 * MiB,
)  # fmt: skip


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[LocalEngine]:
    """Open the engine in a service that has a secret in its environment, and close it after the last test."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(CANARY, CANARY)
        engine = LocalEngine(SETTINGS)
        await engine.open()
        yield engine
        await engine.close()


@pytest.fixture(scope="session")
def facts() -> Facts:
    """Return the facts of the engine's setup for the conformance suite."""
    return Facts(SETTINGS.sandbox_workspace_bytes, SETTINGS.sandbox_workspace_files, SETTINGS.sandbox_memory_bytes)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def sandbox(engine: LocalEngine) -> AsyncIterator[LocalSandbox]:
    """Make one sandbox for all probes of a module; each probe is a jail of its own."""
    sandbox = await engine.create()
    yield sandbox
    await engine.destroy(sandbox.id)
