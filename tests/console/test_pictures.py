"""Screenshots of the page for the documents; `make screenshots` updates them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from playwright.async_api import Browser, expect

from tests.console.browser import Console, at_console
from tests.console.history import an_hour
from tests.contract.caller import Caller
from tests.contract.service import API_KEY, Service, serving, until
from tests.service import ROOT, LiveService

PICTURES = Path(os.environ.get("CONSOLE_PICTURES") or ROOT / ".cache" / "console-pictures")
MOST_BYTES = 200 * 1024
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

HEATMAP = """import numpy as np, matplotlib.pyplot as plt
rng = np.random.default_rng(3)
plt.imshow(rng.normal(size=(12, 24)).cumsum(axis=1), cmap="viridis", aspect="auto")
plt.colorbar(); plt.title("Visits by weekday and hour"); plt.savefig("visits.png")"""
HISTOGRAM = """import numpy as np, pandas as pd, matplotlib.pyplot as plt
rng = np.random.default_rng(5)
ages = pd.Series(rng.gamma(9, 4, 2000))
ages.to_csv("ages.csv", index=False)
ages.plot.hist(bins=40, color="#4aa37a"); plt.title("Ages"); plt.savefig("ages.png")"""


@asynccontextmanager
async def listening(service: Service) -> AsyncIterator[LiveService]:
    """Let an application of this process listen, so that its history can be made up."""
    server = uvicorn.Server(uvicorn.Config(service.app, port=0, lifespan="off", log_config=None))
    task = asyncio.ensure_future(server.serve())
    await until(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield LiveService(f"127.0.0.1:{port}", API_KEY, Path())
    server.should_exit = True
    await task


async def take(console: Console, name: str) -> None:
    """Take a screenshot, small enough for a document."""
    await console.page.evaluate("document.activeElement.blur()")
    picture = await console.page.screenshot(path=PICTURES / f"console-{name}.png")
    assert len(picture) < MOST_BYTES, f"{name}: {len(picture)} bytes"


async def test_pictures(browser: Browser, tmp_path: Path) -> None:
    """An idle service, a busy one in light, dark and on a phone, a plot, sessions, and the LibreChat part."""
    values: dict[str, Any] = {"max_concurrent_runs": 4, "queue_timeout_seconds": 300}
    async with serving(tmp_path / "store", **values) as service, listening(service) as live:
        async with at_console(browser, live, viewport={"width": 1280, "height": 640}) as console:
            await console.enter()
            await expect(console.page.locator("#now-spares strong")).to_have_text("8")
            await expect(console.page.locator("#plots svg")).to_have_count(3)
            await take(console, "empty")
        for past in an_hour():
            service.parts.events.tell(past)
        async with librechat(live) as caller:
            await caller.http.post("/exec", auth=("x", "wrong"), json={})
            for code in (HISTOGRAM, HEATMAP):
                done = await caller.exec(code, runtime_session_hint="conversation-1")
            await caller.upload(("report/summary.pdf", b"%PDF-1.7"), ("sales.xlsx", b"PK" * 5000))
            runs = [asyncio.ensure_future(caller.exec("import time; time.sleep(100)")) for _ in range(6)]
            await take_all(browser, live, done["session_id"])
            for run in runs:
                run.cancel()
            await asyncio.wait(runs)


@asynccontextmanager
async def librechat(live: LiveService) -> AsyncIterator[Caller]:
    """Send requests as a late LibreChat does, with the key in its address."""
    headers = {"User-Agent": "LibreChat/1.0"}
    async with httpx.AsyncClient(base_url=live.url, auth=("x", API_KEY), headers=headers, timeout=60) as http:
        yield Caller(http)


async def take_all(browser: Browser, live: LiveService, session_id: str) -> None:
    """Take the screenshots of a busy service."""
    async with at_console(browser, live, viewport={"width": 1280, "height": 860}) as console:
        page = console.page
        await console.enter()
        await expect(page.locator("#now-running strong")).to_have_text("4")
        await expect(page.locator("#now-waiting strong")).to_have_text("2")
        await take(console, "busy")
        await page.emulate_media(color_scheme="dark")
        await take(console, "dark")
        await page.emulate_media(color_scheme="light")
        await console.go("Sessions")
        await page.locator("summary", has_text=session_id).click()
        await expect(page.locator("details img")).to_have_count(2)
        await page.set_viewport_size({"width": 1280, "height": 640})
        await take(console, "sessions")
        await console.go("LibreChat")
        await page.set_viewport_size({"width": 1280, "height": 860})
        await take(console, "librechat")
    async with at_console(browser, live, **PHONE) as console:
        await console.enter()
        await expect(console.page.locator("#plots circle").first).to_be_visible()
        await take(console, "phone")


async def test_a_picture_of_the_playground(console: Console) -> None:
    """The first example, run."""
    await console.page.set_viewport_size({"width": 1280, "height": 580})
    await console.enter()
    await console.go("Playground")
    await console.page.get_by_role("button", name="Run").click()
    await expect(console.page.locator("#output img")).to_be_visible()
    await take(console, "playground")
