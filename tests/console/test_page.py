"""Functions of the operator's page. After each test: no console error, no request to another host."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Error, expect

from tests.console.browser import Console, at_console
from tests.console.pictures import GIF, PNG, SVG
from tests.contract.caller import Caller
from tests.service import LiveService, running_service

LIBRECHAT = {"User-Agent": "LibreChat/1.0"}


# --- the key ---------------------------------------------------------------------------------------------------------


async def test_only_the_key_opens_it(console: Console) -> None:
    """A wrong key is rejected with a message; the right one opens the page, survives a reload, and can be forgotten."""
    console.watched.expected = ("401",)
    page = console.page
    await console.visit()
    await expect(page.get_by_label("API key")).to_be_focused()
    for wrong in ("wrong", "kein Schlüssel 鍵"):
        await page.get_by_label("API key").fill(wrong)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).not_to_be_empty()
        assert await page.evaluate("sessionStorage.length") == 0
    await expect(page.get_by_role("navigation")).to_be_hidden()
    await page.get_by_label("API key").fill(console.service.api_key)
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Running", exact=True)).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("Running", exact=True)).to_be_visible()
    assert console.service.api_key not in page.url + await page.content()
    assert await page.evaluate("localStorage.length + document.cookie.length") == 0
    await page.get_by_role("button", name="Forget key").click()
    await expect(page.get_by_label("API key")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_another_tab_knows_nothing_of_the_key(console: Console) -> None:
    """The key is entered once for each tab."""
    await console.enter()
    other = await console.page.context.new_page()
    await other.goto(console.page.url)
    await expect(other.get_by_label("API key")).to_be_visible()


async def test_a_closed_network_needs_no_key(browser: Browser, tmp_path: Path) -> None:
    """With ADAPTER_AUTH=none and no key the page opens at once, also below /v1."""
    with running_service(tmp_path, ADAPTER_API_KEY="", ADAPTER_AUTH="none", SANDBOX_PRELOAD="none") as service:
        async with at_console(browser, service) as console:
            await console.page.goto(f"http://{service.host}/v1/console#playground")
            await console.page.get_by_label("Example").select_option("Shell")
            await console.page.get_by_role("button", name="Run").click()
            await expect(console.page.locator("#stdout")).to_contain_text("hello from sandbox")
            await console.go("Overview")
            await expect(console.page.locator("#notices")).to_contain_text("ADAPTER_AUTH=none")
            await console.go("Sessions")
            await expect(console.page.locator("#sessions-list")).to_contain_text("Set ADAPTER_API_KEY")


# --- what goes on ----------------------------------------------------------------------------------------------------


async def test_what_runs_now_shows(console: Console, caller: Caller) -> None:
    """A running program is counted as running until it ends or is cancelled; its sandbox is counted."""
    await console.enter()
    running = console.page.locator("#now-running strong")
    await expect(running).to_have_text("0")
    asking = asyncio.ensure_future(caller.exec("import time; time.sleep(60)"))
    await expect(running).to_have_text("1")
    asking.cancel()
    await asyncio.wait([asking])
    await expect(running).to_have_text("0")
    await caller.exec("1")
    await expect(console.page.locator("#now-sandboxes strong")).not_to_have_text("0")
    await expect(console.page.locator("#now-spares")).to_contain_text("for new sessions")
    await expect(console.page.locator("#state")).to_contain_text("ready · local")


async def test_the_last_hour_is_drawn(console: Console, caller: Caller) -> None:
    """Endings, languages and times appear in the plots and the list of runs; no content of programs does."""
    await caller.exec("print('secret-word')")
    await caller.exec("exit 3 # secret-word", lang="bash")
    answer = await caller.exec("import os; os.abort()")
    await console.enter()
    plots = console.page.locator("#plots")
    for part in ("rect.e-ok", "rect.e-exit", "rect.e-signal", "rect.c0", "rect.c1", "circle.p50", "circle.p95"):
        await expect(plots.locator(part).first).to_be_attached()
    heights = await plots.locator("rect.e-exit").evaluate_all("all => all.map((one) => one.getBBox().height)")
    assert min(heights) > 0
    newest = console.page.locator("#runs tbody tr").first
    await expect(newest).to_contain_text("signal")
    await expect(newest).to_contain_text(answer["session_id"][:8])
    await expect(console.page.locator("#runs tbody tr").nth(1)).to_contain_text("exit 3")
    assert "secret-word" not in await console.page.content()


async def test_new_runs_leave_the_keyboard_where_it_is(console: Console, caller: Caller) -> None:
    """A growing list keeps the focus and its earlier rows."""
    first = await caller.exec("1")
    await console.enter()
    link = console.page.get_by_role("link", name=first["session_id"][:8])
    await link.focus()
    second = await caller.exec("2")
    await expect(console.page.locator("#runs tbody tr").first).to_contain_text(second["session_id"][:8])
    await expect(link).to_be_focused()


async def test_a_service_that_is_away_is_told(console: Console) -> None:
    """The page shows since when the service has not answered, and recovers by itself."""
    console.watched.expected = ("Failed to load",)
    await console.enter()
    await console.page.context.set_offline(True)
    await expect(console.page.locator("#state")).to_contain_text("no answer")
    await console.page.context.set_offline(False)
    await expect(console.page.locator("#state")).to_contain_text("ready")


# --- sessions --------------------------------------------------------------------------------------------------------


async def test_sessions_show_their_files(console: Console, caller: Caller, tmp_path: Path) -> None:
    """Images are shown, and enlarged on demand; every file can be saved, byte for byte."""
    ref = await caller.upload(("pictures/one.png", PNG), ("two.gif", GIF), ("table.csv", b"a,b\n1,2\n"))
    await console.enter()
    await console.go("Sessions")
    page = console.page
    await page.get_by_label("Find").fill(ref["session_id"])
    session = page.locator("details")
    await expect(session).to_have_count(1)
    await expect(session).to_contain_text("3 files")
    await expect(session.locator("img")).to_have_count(2)
    assert await session.locator("img").evaluate_all("all => all.every((one) => one.src.startsWith('blob:'))")
    await session.get_by_role("button", name="Enlarge pictures/one.png").click()
    await expect(page.get_by_role("dialog").locator("img")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    async with page.expect_download() as saving:
        await session.get_by_role("button", name="Save table.csv").click()
    saved = await saving.value
    assert saved.suggested_filename == "table.csv"
    await saved.save_as(tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_bytes() == b"a,b\n1,2\n"


async def test_a_run_leads_to_its_session(console: Console, caller: Caller) -> None:
    """The link in the list of runs opens that session."""
    answer = await caller.exec("open('here.txt', 'w').write('1')")
    await console.enter()
    await console.page.get_by_role("link", name=answer["session_id"][:8]).click()
    await expect(console.page.locator("details[open]")).to_contain_text("here.txt")


# --- the playground --------------------------------------------------------------------------------------------------


async def test_a_program_runs_and_its_picture_is_seen(console: Console) -> None:
    """Output, errors, files and the plot of a program; another one in the same session finds its files."""
    await console.enter()
    await console.go("Playground")
    page = console.page
    await page.get_by_label("Program").fill(
        "import sys, matplotlib.pyplot as plt\nprint('on stdout')\nprint('on stderr', file=sys.stderr)\n"
        "open('note.txt', 'w').write('1')\nplt.plot([1, 2])\nplt.savefig('line.png')"
    )
    await page.get_by_role("button", name="Run").click()
    await expect(page.locator("#stdout")).to_have_text("on stdout\n")
    await expect(page.locator("#stderr")).to_have_text("on stderr\n")
    await expect(page.locator("#output")).to_contain_text("note.txt")
    picture = page.get_by_role("img", name="line.png")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("one => one.naturalWidth") > 100
    await expect(page.locator("#verdict")).to_contain_text("ok")
    await page.get_by_label("go on in the same session").check()
    await page.get_by_label("Program").fill("print(open('note.txt').read()); raise SystemExit(4)")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#verdict")).to_contain_text("exit code 4")
    await expect(page.locator("#stdout")).to_have_text("1\n")


async def test_a_program_can_be_stopped(console: Console, caller: Caller) -> None:
    """Stop kills the program, not only the request."""
    await console.enter()
    await console.go("Playground")
    await console.page.get_by_label("Program").fill("import time; time.sleep(60)")
    await console.page.get_by_role("button", name="Run").click()
    await console.page.get_by_role("button", name="Stop").click()
    await expect(console.page.locator("#verdict")).to_contain_text("killed")
    await console.go("Overview")
    await expect(console.page.locator("#runs tbody tr").first).to_contain_text("cancelled")


async def test_languages_that_are_not_here_cannot_be_chosen(console: Console) -> None:
    """The list of languages is the service's."""
    await console.enter()
    async with console.page.expect_response("**/languages") as asking:
        await console.go("Playground")
    known = (await (await asking.value).json())["languages"]
    options = console.page.get_by_label("Language").locator("option")
    await expect(options).to_have_count(len(known))
    disabled = await options.evaluate_all("all => all.filter((one) => one.disabled).map((one) => one.value)")
    assert disabled == [language["lang"] for language in known if not language["available"]]


# --- what programs and file names say --------------------------------------------------------------------------------

HOSTILE = "<img src=x onerror=alert(1)>.png"


async def test_output_and_names_are_only_text(console: Console, caller: Caller) -> None:
    """Markup in names and output is shown as text; a file that is no image is not shown as one, whatever its name."""
    page = console.page
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    uploaded = await caller.upload((HOSTILE, PNG), ("'><script>alert(2)</script>.txt", b"x"), ("evil.png", SVG))
    await console.enter()
    await console.go("Playground")
    markup = "</pre><script>alert(3)</script><svg onload=alert(4)>"
    await page.get_by_label("Program").fill(f"print({markup!r}); open('<b>bold<b>.txt', 'w').close()")
    await page.get_by_role("button", name="Run").click()
    await expect(page.locator("#stdout")).to_have_text(f"{markup}\n")
    await expect(page.locator("#output .path")).to_have_text("<b>bold<b>.txt")
    await console.go("Sessions")
    await page.get_by_label("Find").fill(uploaded["session_id"])
    await expect(page.locator("details .path")).to_have_count(3)
    assert HOSTILE in await page.locator("details .path").all_text_contents()
    await expect(page.locator("details img")).to_have_count(1)
    assert await page.locator("main script, main svg[onload], main b, main img[onerror]").count() == 0


async def test_nothing_could_turn_text_into_markup(console: Console) -> None:
    """The page's policy forbids the operations that a script injection would need."""
    await console.visit()
    console.watched.expected = ("violates", "Trusted")
    for mistake in (
        "document.body.innerHTML = '<b>'", "document.createElement('script').text = '1'", "document.write('<b>')",
    ):  # fmt: skip
        with pytest.raises(Error, match="Trusted"):
            await console.page.evaluate(f"() => {{ {mistake} }}")


# --- LibreChat -------------------------------------------------------------------------------------------------------


async def test_it_tells_which_librechat_spoke_and_who_was_refused(
    console: Console, caller: Caller, service: LiveService
) -> None:
    """The detected release, the reasons of refusals, the lines to set; no key in any of it."""
    await caller.http.get("/files/none", headers=LIBRECHAT)
    await caller.http.post("/exec", headers={**LIBRECHAT, "X-API-Key": "a-wrong-key"}, json={})
    await console.enter()
    await console.go("LibreChat")
    page = console.page
    await expect(page.locator("#release")).to_contain_text("v0.8.5 or earlier")
    await expect(page.locator("#caller")).to_contain_text("its address ends in /v1")
    await expect(page.locator("#refused")).to_contain_text(
        "invalid credential: send the API key or a token of LibreChat"
    )
    await expect(page.locator("#advice")).to_contain_text(f"LIBRECHAT_CODE_BASEURL=http://x:<key>@{service.host}/v1")
    assert "a-wrong-key" not in await page.content()
    assert service.api_key not in await page.content()
