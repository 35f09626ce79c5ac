"""One service on the local engine for all tests of this directory, on one event loop, and its events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from librechat_code_interpreter.core.events import FinishedRun
from tests.contract.caller import Caller
from tests.contract.service import Service, serving

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this directory on one event loop, the engine's."""
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """Live the application with its default settings."""
    async with serving(tmp_path_factory.mktemp("observed") / "store") as service:
        yield service


@pytest.fixture(scope="session")
def caller(service: Service) -> Caller:
    """Return a client with the API key."""
    return service.caller()


@pytest.fixture(scope="session")
def told(service: Service) -> list[FinishedRun]:
    """Return the events since the first test that asked."""
    runs: list[FinishedRun] = []
    service.parts.events.on(FinishedRun, runs.append)
    return runs


@pytest.fixture
def runs(told: list[FinishedRun]) -> list[FinishedRun]:
    """Return the events of one test."""
    told.clear()
    return told
