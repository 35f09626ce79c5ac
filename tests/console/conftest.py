"""One service on the local engine and one browser for all tests of this directory, on one event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.console.browser import Console, at_console, launch
from tests.contract.caller import Caller
from tests.service import LiveService, running_service

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this directory on one event loop, the browser's."""
    for item in items:
        if item.path.is_relative_to(HERE) and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """Run a service that nobody else uses."""
    with running_service(tmp_path_factory.mktemp("console")) as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Start the browser once."""
    async with async_playwright() as playwright:
        browser = await launch(playwright)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, service: LiveService) -> AsyncIterator[Console]:
    """Open a tab for one test."""
    async with at_console(browser, service) as console:
        yield console


@pytest_asyncio.fixture(loop_scope="session")
async def caller(service: LiveService) -> AsyncIterator[Caller]:
    """Another client of the same service."""
    async with httpx.AsyncClient(base_url=service.url, headers={"X-API-Key": service.api_key}, timeout=60) as http:
        yield Caller(http)
