"""The page is usable by keyboard, on a phone, in dark and light mode, and with a screen reader."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.console.browser import Console, at_console
from tests.console.pictures import PNG
from tests.contract.caller import Caller
from tests.service import LiveService

PARTS = ("Overview", "Sessions", "Playground", "LibreChat")
LEAST_CONTRAST = 4.5  # WCAG 2.2, AA, for text of any size

_FAINT_TEXTS = """least => {
  const rgb = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (colour) => rgb(colour).slice(0, 3)
    .map((part) => part / 255).map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if ((rgb(colour)[3] ?? 1) > 0.99) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const parent = text.parentElement;
    if (!text.data.trim() || !parent.checkVisibility() || parent.closest(":disabled, option, title, .skip")) continue;
    const style = getComputedStyle(parent);
    const [one, other] = [light(parent instanceof SVGElement ? style.fill : style.color), light(ground(parent))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < least) faint.push(`${text.data.trim()}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""

_NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, textarea, img")]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim() || one.hasAttribute("alt")))
  .map((one) => one.outerHTML)"""

_FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  return { name: one.id || one.textContent.trim(), isSeen: style.outlineStyle !== "none" && one.checkVisibility() };
}"""


async def something_of_all(caller: Caller) -> str:
    """Fill every part of the page with data; return a session with a picture."""
    for code, lang in [("print(1)", "py"), ("exit 2", "bash"), ("import os; os.abort()", "py")]:
        await caller.exec(code, lang)
    await caller.http.get("/files/none", headers={"User-Agent": "LibreChat/1.0"})
    await caller.http.get("/files/none", headers={"X-API-Key": "wrong"})
    ref = await caller.upload_one("a/rather/long/way/to/" + "the-name-of-a-picture-" * 4 + "1.png", PNG)
    return str(ref["session_id"])


async def every_part(console: Console, session_id: str) -> Any:
    """Show each part in turn, with data in it."""
    page = console.page
    for part in PARTS:
        await console.go(part)
        if part == "Sessions":
            await page.get_by_label("Find").fill(session_id)
            await expect(page.locator("details img")).to_be_visible()
        if part == "Playground":
            await page.get_by_label("Program").fill("print('word ' * 60); print('x' * 300); 1/0")
            await page.get_by_role("button", name="Run").click()
            await expect(page.locator("#stderr")).to_be_visible()
        if part == "Overview":
            await expect(page.locator("#runs tbody tr").first).to_be_visible()
        yield part


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_every_text_can_be_read(browser: Browser, service: LiveService, caller: Caller, scheme: Any) -> None:
    """In dark and light mode each text has enough contrast, and each control has a name."""
    session_id = await something_of_all(caller)
    async with at_console(browser, service, color_scheme=scheme) as console:
        await console.visit()
        assert await console.page.evaluate(_FAINT_TEXTS, LEAST_CONTRAST) == []
        await console.enter()
        async for part in every_part(console, session_id):
            assert (part, await console.page.evaluate(_FAINT_TEXTS, LEAST_CONTRAST)) == (part, [])
            assert (part, await console.page.evaluate(_NAMELESS)) == (part, [])
        ground = await console.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(ground.removeprefix("rgb(").partition(",")[0]) < 128) == (scheme == "dark"), ground


async def test_a_phone_is_wide_enough(browser: Browser, service: LiveService, caller: Caller) -> None:
    """At 390 pixels nothing needs horizontal scrolling: neither the page nor a table in it."""
    session_id = await something_of_all(caller)
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    async with at_console(browser, service, **phone) as console:
        await console.enter()
        async for part in every_part(console, session_id):
            wide = await console.page.evaluate("document.documentElement.scrollWidth")
            assert (part, wide) == (part, 390)
            for table in await console.page.locator("#runs:visible, #refused:visible").all():
                assert await table.evaluate("one => one.scrollWidth <= one.clientWidth"), part


async def test_a_run_with_much_to_tell_made_the_phone_scroll(
    browser: Browser, service: LiveService, caller: Caller
) -> None:
    """A long ending and a long time used to overflow the list of runs."""
    await something_of_all(caller)
    async with at_console(browser, service, viewport={"width": 390, "height": 844}, is_mobile=True) as console:
        await console.enter()
        runs = console.page.locator("#runs")
        await runs.locator("tbody tr").first.wait_for()
        await runs.evaluate("""one => {
            for (const cell of one.querySelectorAll("td:nth-child(3)")) cell.textContent = "cancelled (20 tool rounds)";
            for (const cell of one.querySelectorAll("td:nth-child(4)")) cell.textContent = "1 234.5 ms";
        }""")
        assert await runs.evaluate("one => one.scrollWidth <= one.clientWidth")


async def test_the_keyboard_is_enough(console: Console) -> None:
    """From the key to a result without a mouse; the focus is always visible."""
    page = console.page
    await console.visit()
    await page.keyboard.type(console.service.api_key)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Overview")).to_be_focused()
    await tab_to(page, "Playground")
    await page.keyboard.press("Enter")
    await expect(page.locator("#language")).to_be_visible()
    await tab_to(page, "code")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("print(6*7)")
    await tab_to(page, "run")
    await page.keyboard.press("Enter")
    await expect(page.locator("#stdout")).to_have_text("42\n")
    await expect(page.locator("#verdict[aria-live=polite]")).to_contain_text("ok")
    await expect(page.locator("#run")).to_be_focused()
    await tab_to(page, "stdout")
    await page.keyboard.press("Shift+Tab")
    assert (await page.evaluate(_FOCUSED))["name"] == "continue"


async def tab_to(page: Page, name: str) -> None:
    """Press Tab until this element has the focus, and check the focus on the way."""
    for _ in range(20):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(_FOCUSED)
        assert focused["isSeen"], focused
        if focused["name"] == name:
            return
    pytest.fail(f"Tab never comes to {name}")


async def test_the_first_stop_leads_past_the_head(console: Console) -> None:
    """Keyboard users can skip the navigation."""
    await console.enter()
    await console.page.reload()
    await expect(console.page.locator("#now-running")).to_be_visible()
    await console.page.keyboard.press("Tab")
    await console.page.keyboard.press("Enter")
    await expect(console.page.locator("main")).to_be_focused()
    await expect(console.page.locator("#now-running")).to_be_visible()
