"""One engine and one application for all contract tests, on one event loop; more applications borrow the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from librechat_code_interpreter.core.protocols import Engine
from tests.contract.caller import Caller
from tests.contract.engines import Borrowed
from tests.contract.service import Service, serving

HERE = Path(__file__).parent

Serve = Callable[..., AbstractAsyncContextManager[Service]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this directory on one event loop, the engine's."""
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """Live the application with its default settings."""
    async with serving(tmp_path_factory.mktemp("contract") / "store") as service:
        yield service


@pytest.fixture(scope="session")
def caller(service: Service) -> Caller:
    """Return a client with the API key, of no known user."""
    return service.caller()


@pytest.fixture
def serve(service: Service, tmp_path: Path) -> Serve:
    """Start another application, with other settings, on the same engine (or one that wraps it)."""

    def start(engine: Engine | None = None, **values: Any) -> AbstractAsyncContextManager[Service]:
        return serving(tmp_path / "store", engine or Borrowed(service.parts.engine), **values)

    return start


@pytest.fixture
def engine(service: Service) -> Engine:
    """Return the real engine, for a wrapper of it."""
    return service.parts.engine
