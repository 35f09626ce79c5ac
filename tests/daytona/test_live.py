"""The engine conformance suite on the real Daytona: ``DAYTONA_API_KEY=… pytest -m live``.

``DAYTONA_API_URL``, ``DAYTONA_TARGET`` and ``DAYTONA_SNAPSHOT`` count as they do for the service. It makes about a
hundred sandboxes, one after another, and deletes them.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from librechat_code_interpreter.core.protocols import Sandbox
from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
from librechat_code_interpreter.leases.memory_pool import MemoryPool
from librechat_code_interpreter.settings import Settings
from tests.engine.conformance import Facts
from tests.engine.conformance.files import Files
from tests.engine.conformance.isolation import Isolation
from tests.engine.conformance.leftovers import Leftovers
from tests.engine.conformance.life import Life
from tests.engine.conformance.runs import RunService

GiB = 1 << 30

pytestmark = pytest.mark.live


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine() -> AsyncIterator[DaytonaEngine]:
    """Open an engine on the account, and close it after the last test."""
    if not os.environ.get("DAYTONA_API_KEY"):
        pytest.skip("DAYTONA_API_KEY is not set")
    engine = DaytonaEngine(Settings(adapter_engine="daytona"), MemoryPool())
    await engine.open()
    yield engine
    await engine.close()


@pytest.fixture(scope="session")
def facts() -> Facts:
    """Return the facts of an account's sandboxes for the suite."""
    return Facts(workspace_bytes=3 * GiB, workspace_files=1 << 30, memory_bytes=GiB)


class TestLiveDaytona(Life, Files, RunService, Leftovers, Isolation):
    """Run the suite on the cloud."""

    @pytest.mark.skip(reason="it would send gigabytes")
    async def test_a_file_that_does_not_fit_leaves_nothing(self, sandbox: Sandbox, facts: Facts) -> None:
        """A file larger than the disk is refused."""
