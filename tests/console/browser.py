"""Driver for Debian's Chromium that fails on console errors and on requests to other hosts."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage, Page, Playwright, Request, expect

from tests.service import LiveService

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

_TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
    console.error(`violates ${event.effectiveDirective}: ${event.blockedURI || event.sample}`))"""


class BrowserMissing(Exception):
    """The tests need Chromium on the path: `tools/test_tools.sh` installs it."""


async def launch(playwright: Playwright) -> Browser:
    """Start the browser; its own sandbox does not work for root."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise BrowserMissing
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    return await playwright.chromium.launch(executable_path=program, args=args)


@dataclass
class Supervised:
    """Record console errors, and requests to other hosts."""

    host: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """What a test provokes on purpose."""

    def parse_reply(self, message: ConsoleMessage) -> None:
        """Record a console message of the browser or the page."""
        if message.type in ("error", "warning") and not any(part in message.text for part in self.expected):
            self.complaints.append(message.text)

    def asked(self, request: Request) -> None:
        """Record a request to another host."""
        url = urlsplit(request.url)
        if url.netloc != self.host and url.scheme != "blob":
            self.strangers.append(request.url)


@dataclass(frozen=True)
class Console:
    """An operator's tab with the page of a service."""

    service: LiveService
    page: Page
    watched: Supervised

    async def visit(self) -> None:
        """Open the address."""
        await self.page.goto(f"http://{self.service.host}/console")

    async def enter(self) -> None:
        """Open the address and the page, with the key."""
        await self.visit()
        await self.page.get_by_label("API key").fill(self.service.api_key)
        await self.page.get_by_role("button", name="Open").click()
        await expect(self.page.locator("#now-running")).to_be_visible()

    async def go(self, part: str) -> None:
        """Open a part of the page."""
        await self.page.get_by_role("navigation").get_by_role("link", name=part).click()


@asynccontextmanager
async def at_console(browser: Browser, service: LiveService, **context: Any) -> AsyncIterator[Console]:
    """Open a tab; at its end there must be no console error and no request to another host."""
    tab = await browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
    try:
        await tab.add_init_script(_TELL_VIOLATIONS)
        page = await tab.new_page()
        page.set_default_timeout(PATIENCE_MS)
        watched = Supervised(service.host)
        page.on("console", watched.parse_reply)
        page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        page.on("request", watched.asked)
        yield Console(service, page, watched)
        assert (watched.complaints, watched.strangers) == ([], [])
    finally:
        await tab.close()
