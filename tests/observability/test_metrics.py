"""The metrics are correct, contain no user's data, and are documented."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from bench.scripted import ScriptedEngine
from librechat_code_interpreter.core.errors import LeasesUnavailable
from librechat_code_interpreter.core.events import Events, PoolWhole
from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.telemetry.metrics import Metrics
from tests.contract.caller import Caller, refs_to
from tests.contract.programs import begin, resume
from tests.contract.service import API_KEY, Service, serving, until
from tests.contract.tokens import KID, public_key, token
from tests.observability.page import EVENTS, RUN, Idle, Page, families, scrape

DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
SCRIPTED: Any = ScriptedEngine


# --- what they count -------------------------------------------------------------------------------------------------


async def test_runs_are_counted_by_language_and_ending(caller: Caller) -> None:
    """Each run adds one to its language and ending, and one to the histograms of its steps."""
    before = await scrape(caller.http)
    await caller.exec("print(1)")
    await caller.exec("raise SystemExit(1)")
    await caller.exec("exit 1", lang="bash")
    after = await scrape(caller.http)

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert grown("runs_total", language="py", ending="ok") == 1
    assert grown("runs_total", language="py", ending="exit") == 1
    assert grown("runs_total", language="bash", ending="exit") == 1
    assert grown("run_request_seconds_count") == grown("queue_seconds_count") == 3
    assert grown("run_seconds_count", language="py") == 2
    assert 0 < grown("run_seconds_sum") < grown("run_request_seconds_sum")
    assert grown("sandbox_seconds_count", sandbox="new") == 3


async def test_affinity_shows(caller: Caller) -> None:
    """Follow-ups are counted by what was staged: nothing in their own sandbox, everything in a new one."""
    before = await scrape(caller.http)
    first = await caller.exec("open('a.txt', 'w').write('123')", user_id="dora")
    await caller.exec("1", files=refs_to(first), user_id="dora")
    await caller.exec("1", files=refs_to(first), user_id="emil")
    after = await scrape(caller.http)
    for staged, count in {"nothing": 1, "files": 0, "all": 1}.items():
        labels = {"staged": staged}
        assert after.value("follow_up_runs_total", **labels) - before.value("follow_up_runs_total", **labels) == count
    assert after.value("file_bytes_total", what="staged") - before.value("file_bytes_total", what="staged") == 3


async def test_tool_rounds_and_paused_runs_show(caller: Caller) -> None:
    """A waiting program is one paused run and one round, and no run that ended."""
    before = await scrape(caller.http)
    reply = await begin(caller, "print(await echo())")
    waiting = await scrape(caller.http)
    await resume(caller, reply)
    after = await scrape(caller.http)
    assert [page.value("paused_runs") for page in (before, waiting, after)] == [0, 1, 0]
    assert waiting.value("tool_rounds_total") - before.value("tool_rounds_total") == 1
    assert waiting.value("runs_total") == before.value("runs_total") == after.value("runs_total") - 1


async def test_what_happens_now_shows(service: Service, caller: Caller) -> None:
    """A run in progress is in flight, and its sandbox is counted."""
    before = await scrape(caller.http)
    asking = asyncio.ensure_future(caller.exec("import time; time.sleep(60)"))
    await until(lambda: service.parts.runs.admission.running == 1)
    during = await scrape(caller.http)
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: service.parts.runs.admission.present == 0)
    assert during.value("runs_in_flight", state="running") == 1
    assert (await scrape(caller.http)).value("runs_in_flight", state="running") == 0
    assert during.value("sandboxes") >= before.value("sandboxes")


async def test_the_store_shows(caller: Caller) -> None:
    """An upload and a download are calls of the store, with their bytes."""
    before = await scrape(caller.http)
    ref = await caller.upload_one("a.bin", b"x" * 1000)
    await caller.content(ref["session_id"], ref["id"])
    after = await scrape(caller.http)
    for operation in ("write", "read"):
        labels = {"operation": operation}
        assert after.value("store_bytes_total", **labels) - before.value("store_bytes_total", **labels) == 1000
        assert after.value("store_call_seconds_count", **labels) > before.value("store_call_seconds_count", **labels)
    assert after.value("store_calls_total", operation="create", outcome="ok") > 0


# --- spares ----------------------------------------------------------------------------------------------------------


async def test_after_a_burst_the_pools_are_whole_again(service: Service, caller: Caller) -> None:
    """Hits and misses are counted, the pool refills, and the time of that is measured."""
    await settled(service, caller)
    before = await scrape(caller.http)
    whole = asyncio.Event()
    service.parts.events.on(PoolWhole, lambda _: whole.set())
    await asyncio.gather(*(caller.exec("print(1)") for _ in range(6)))
    async with asyncio.timeout(60):
        await whole.wait()
    await settled(service, caller)
    after = await scrape(caller.http)
    labels = {"pool": "prepared", "kind": "bare"}
    takes = {
        outcome: after.value("pool_takes_total", outcome=outcome, **labels)
        - before.value("pool_takes_total", outcome=outcome, **labels)
        for outcome in ("hit", "miss")
    }
    assert takes["hit"] >= 2  # those that waited
    assert sum(takes.values()) == 6
    assert (
        after.value("pool_age_seconds_count", **labels) - before.value("pool_age_seconds_count", **labels)
        == takes["hit"]
    )
    assert after.value("pool_ready", **labels) == 2
    assert after.value("pool_made_total", **labels) - before.value("pool_made_total", **labels) == takes["hit"]
    assert after.value("pool_short_seconds_count", pool="jail") > before.value("pool_short_seconds_count", pool="jail")


async def settled(service: Service, caller: Caller) -> None:
    """Wait until every pool of the engine is full."""
    engine = service.parts.engine
    assert isinstance(engine, LocalEngine)
    await until(lambda: engine.stats().is_pool_full)


async def test_spares_come_back_while_a_long_program_runs(service: Service, caller: Caller) -> None:
    """A program of a minute does not stop the refill of the warm pool."""
    await settled(service, caller)
    asking = asyncio.ensure_future(caller.exec("import time; time.sleep(300)", timeout=300_000))
    await until(lambda: service.parts.runs.admission.running == 1)
    engine = service.parts.engine
    assert isinstance(engine, LocalEngine)
    await until(lambda: not engine.stats().is_pool_full)
    await settled(service, caller)
    assert not asking.done()
    asking.cancel()
    await asyncio.wait([asking])


# --- who may read them, and what they never hold ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "headers", "status"),
    [
        ({}, {}, 401),
        ({}, {"Authorization": f"Bearer {API_KEY}"}, 200),
        ({}, {"X-API-Key": API_KEY}, 200),
        ({"metrics_key": "m"}, {"Authorization": "Bearer m"}, 200),
        ({"metrics_key": "m"}, {"Authorization": "Bearer n"}, 401),
        ({"metrics_key": "m"}, {"X-API-Key": API_KEY}, 200),
        ({"metrics_key": "m", "adapter_auth": "none"}, {}, 401),
        ({"adapter_auth": "none"}, {}, 200),
        ({"metrics_access": "open"}, {}, 200),
        ({"metrics_access": "off"}, {"X-API-Key": API_KEY}, 404),
    ],
)
async def test_who_may_read_them(tmp_path: Path, values: dict[str, str], headers: dict[str, str], status: int) -> None:
    """By default the API key opens them; METRICS_KEY opens them too, and nothing else; METRICS_ACCESS decides."""
    async with serving(tmp_path, SCRIPTED(), **values) as service:
        answer = await service.http(**headers).get("/metrics")
        assert answer.status_code == status
        assert (await service.http(Authorization="Bearer m").get("/files/x")).status_code in (401, 404)


async def test_a_users_token_does_not_open_them(tmp_path: Path) -> None:
    """A JWT lets a user run programs, and does not open the metrics."""
    async with serving(tmp_path, SCRIPTED(), codeapi_jwt_public_key=public_key(), codeapi_jwt_kid=KID) as service:
        assert (await service.bearer(token("ann")).http.get("/metrics")).status_code == 401


async def test_the_metrics_key_opens_nothing_else(tmp_path: Path) -> None:
    """METRICS_KEY cannot run programs."""
    async with serving(tmp_path, SCRIPTED(), metrics_key="m") as service:
        answer = await service.http(Authorization="Bearer m").post("/exec", json={"lang": "py", "code": "1"})
        assert answer.status_code == 401


async def test_they_name_nobody_and_do_not_grow(tmp_path: Path) -> None:
    """A hundred users and sessions leave as many series as one, and none of their ids."""
    async with serving(tmp_path, SCRIPTED()) as service:
        caller = service.caller()
        first = await caller.exec("print(2+2)", user_id="user-0")
        await scrape(caller.http)  # a scrape is a request that the next one tells of
        lines = len((await scrape(caller.http)).text.splitlines())
        ids = [first["session_id"]]
        for number in range(1, 100):
            ids.append((await caller.exec("print(2+2)", user_id=f"user-{number}"))["session_id"])
        page = await scrape(caller.http)
        assert len(page.text.splitlines()) == lines
        assert not re.search("user-|" + "|".join(map(re.escape, ids)), page.text)


# --- the docs --------------------------------------------------------------------------------------------------------


def test_every_metric_has_its_line() -> None:
    """docs/metrics.md names every metric, with its labels, and no other."""
    rows = re.findall(r"^\| (`[^|]*`) \|([^|]*)\| ", DOCS.read_text(), re.MULTILINE)
    told = {name: set(re.findall(r"\w+", labels)) for names, labels in rows for name in re.findall(r"\w+", names)}
    assert told == {name: family.labels for name, family in families().items()}


def test_the_buckets_are_the_docs() -> None:
    """docs/metrics.md lists the bounds of every histogram."""
    text = DOCS.read_text()
    for name, family in families().items():
        if family.type == "histogram":
            assert f": {', '.join(family.bounds)}." in text, name


# --- odd cases -------------------------------------------------------------------------------------------------------


async def test_without_leases_their_gauges_have_no_value() -> None:
    """While Redis is away, nobody knows how many sandboxes there are; an old number would mislead."""

    class Leases(Idle):
        is_away = False

        async def all(self) -> list[object]:
            if self.is_away:
                raise LeasesUnavailable("away")
            return []

    leases: Any = Leases()
    page = Metrics(Events(), leases, leases, "none").page
    gauges = re.compile(rb"^code_interpreter_(?:sandboxes|paused_runs) .*$", re.MULTILINE)
    assert len(gauges.findall((await page(""))[0])) == 2
    leases.is_away = True
    assert gauges.findall((await page(""))[0]) == []
    leases.is_away = False
    assert len(gauges.findall((await page(""))[0])) == 2


async def test_a_forged_processor_time_does_not_lower_the_counter() -> None:
    """A program that took over its runner can report a negative time; its run is counted all the same."""
    events = Events()
    idle: Any = Idle()
    metrics = Metrics(events, idle, idle, "none")
    events.tell(RUN)
    events.tell(RUN._replace(cpu_seconds=-5.0))
    page = Page((await metrics.page(""))[0].decode())
    assert page.value("run_cpu_seconds_total") == RUN.cpu_seconds
    assert page.value("follow_up_runs_total") == 2


async def test_no_series_tells_when_it_was_created() -> None:
    """There are no ``_created`` series, in either format."""
    events = Events()
    idle: Any = Idle()
    metrics = Metrics(events, idle, idle, "none")
    for event in EVENTS:
        events.tell(event)
    for accepts in ("", "application/openmetrics-text; version=1.0.0"):
        assert b"_created" not in (await metrics.page(accepts))[0]
