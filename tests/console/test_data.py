"""The page's data: who may read it, that it is correct and bounded, and contains nothing of users' programs."""

from __future__ import annotations

import os
import random
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from bench.scripted import ScriptedEngine
from librechat_code_interpreter.console.clients import LAST_REFUSALS, Clients, release_of
from librechat_code_interpreter.console.history import LAST_RUNS, MINUTES, Hour, quantile
from librechat_code_interpreter.console.pools import Pools
from librechat_code_interpreter.console.schemas import ConsoleData
from librechat_code_interpreter.core.events import (
    Events,
    FinishedRun,
    LibreChatSpoke,
    PoolFilled,
    PoolTaken,
    Refused,
    Seconds,
)
from librechat_code_interpreter.core.principal import Principal
from tests.contract.caller import Json
from tests.contract.service import API_KEY, Service, serving
from tests.contract.tokens import KID, public_key, token

SCRIPTED: Any = ScriptedEngine
JWT = {"codeapi_jwt_public_key": public_key(), "codeapi_jwt_kid": KID}
DATA = ("/console/data", "/console/sessions")
AT = 1_800_000_000.0


def a_run(at: float = AT, seconds: float = 0.1, ending: str = "ok", language: str = "py") -> FinishedRun:
    """Report a run."""
    return FinishedRun(
        at, "request", "run", Principal("key"), "session", language, ending, 0, seconds, Seconds(), 0.0, 0, 8, 0, 0, 0,
        0, 0, 0, 0, "new", False,
    )  # fmt: skip


async def data(service: Service) -> Json:
    """Send a request as the operator."""
    answer = await service.caller().http.get("/console/data")
    assert answer.status_code == 200, answer.text
    ConsoleData.model_validate(answer.json())
    return dict(answer.json())


# --- who may read it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize(
    ("values", "headers", "status"),
    [
        ({}, {}, 401),
        ({}, {"X-API-Key": "wrong"}, 401),
        ({}, {"X-API-Key": API_KEY}, 200),
        ({"adapter_auth": "none"}, {}, 401),
        ({"adapter_auth": "none"}, {"X-API-Key": API_KEY}, 200),
        (JWT, {"Authorization": "Bearer <a user's token>"}, 404),
        (JWT, {"X-API-Key": API_KEY}, 200),
        ({"console_enabled": False}, {"X-API-Key": API_KEY}, 404),
    ],
    ids=lambda value: "" if isinstance(value, dict) else None,
)
async def test_who_may_read_it(
    tmp_path: Path, values: dict[str, Any], headers: dict[str, str], status: int, path: str
) -> None:
    """The API key gives access to the page; users' tokens do not."""
    headers = {name: value.replace("<a user's token>", token("ann")) for name, value in headers.items()}
    async with serving(tmp_path, SCRIPTED(), **values) as service:
        assert (await service.http(**headers).get(path)).status_code == status


async def test_without_any_key_no_ids_are_told(tmp_path: Path) -> None:
    """K8, K9: without authentication the figures are public; session ids open files, so they are not listed."""
    async with serving(tmp_path, SCRIPTED(), adapter_auth="none", adapter_api_key=None) as service:
        http = service.http()
        ran = (await http.post("/exec", json={"lang": "py", "code": "1"})).json()
        told = await http.get("/console/data")
        assert told.json()["runs"][0]["ending"] == "ok"
        assert ran["session_id"] not in told.text
        assert (await http.get("/console/sessions")).status_code == 401


async def test_the_page_itself_is_nobodys_secret(tmp_path: Path) -> None:
    """The page's files need no key and contain no data; its policy forbids inline scripts and other hosts."""
    async with serving(tmp_path, SCRIPTED()) as service:
        http = service.http()
        page = await http.get("/console")
        assert 'data-lock="key"' in page.text
        for path in ("/console", "/v1/console", *(f"/console/page/{name}" for name in ("console.js", "console.css"))):
            answer = await http.get(path)
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self';" in policy
            assert "unsafe" not in policy
            assert API_KEY not in answer.text
        for path in ("none.js", "..%2Froutes.py", "%2e%2e/routes.py", ""):
            assert (await http.get(f"/console/page/{path}")).status_code == 404


async def test_without_a_key_to_ask_for_the_page_says_so(tmp_path: Path) -> None:
    """Where only users' tokens are configured, there is no operator's page."""
    async with serving(tmp_path, SCRIPTED(), adapter_api_key=None, **JWT) as service:
        assert 'data-lock="no key"' in (await service.http().get("/console")).text


# --- what it tells ---------------------------------------------------------------------------------------------------


async def test_runs_are_told_without_their_words(tmp_path: Path) -> None:
    """Language, ending and times of each run, in order of completion; never its code or output."""
    async with serving(tmp_path, SCRIPTED(), adapter_engine="local") as service:
        caller = service.caller()
        first = await caller.exec("print('secret-word')", files=[{"name": "secret-word"}])
        await caller.exec("secret-word", lang="bash", args=["secret-word"])
        told = await data(service)
    assert [(run["language"], run["ending"]) for run in told["runs"]] == [("bash", "ok"), ("py", "ok")]
    assert told["runs"][1]["session_id"] == first["session_id"]
    assert told["runs"][1]["seconds"] >= sum(told["runs"][1]["steps"].values())
    assert told["hour"]["runs"] == 2
    assert told["hour"]["minutes"][0]["languages"] == {"py": 1, "bash": 1}
    assert "secret-word" not in str(told)


async def test_refusals_are_told_without_the_credential(tmp_path: Path) -> None:
    """Reason, form and route of each refused request; for an unknown route not even the path."""
    async with serving(tmp_path, SCRIPTED()) as service:
        await service.http(X_API_Key="secret-word").post("/v1/exec")
        await service.http(Authorization="Basic c2VjcmV0LXdvcmQ6").get("/files/secret-word")
        await service.http(User_Agent="LibreChat/1.0").post("/upload/batch")
        told = (await data(service))["librechat"]
    assert [(one["offered"], one["route"]) for one in told["refusals"]] == [
        ("nothing", "/upload/batch"), ("Basic", "other"), ("X-API-Key", "/exec"),
    ]  # fmt: skip
    assert told["refused_last_hour"]["invalid credential: send the API key or a token of LibreChat"] == 2
    assert sum(told["refused_last_hour"].values()) == 3
    assert "secret-word" not in str(told)
    assert told["at"] is None  # whoever was refused did not speak


async def test_sessions_of_proven_users_are_counted_and_closed(tmp_path: Path) -> None:
    """K9: the operator sees that they exist and their size; only their owner can read the bytes."""
    async with serving(tmp_path, SCRIPTED(), **JWT) as service:
        private = await service.bearer(token("ann")).upload_one("private.txt", b"12345")
        shared = await service.caller().upload_one("shared.txt", b"1")
        answer = (await service.caller().http.get("/console/sessions")).json()
        seen = {session["id"]: session for session in answer["sessions"]}
        assert answer["total"] == 2
        assert [seen[ref["session_id"]]["is_readable"] for ref in (private, shared)] == [False, True]
        assert seen[private["session_id"]]["files"][0]["size"] == 5
        for ref, status in ((private, 404), (shared, 200)):
            download = await service.caller().http.get(f"/download/{ref['session_id']}/{ref['id']}")
            assert download.status_code == status


async def test_looking_at_sessions_does_not_use_them(tmp_path: Path) -> None:
    """An operator's request does not count as a use of the session."""
    async with serving(tmp_path, SCRIPTED()) as service:
        caller = service.caller()
        ids = [(await caller.upload_one("a.txt"))["session_id"] for _ in range(3)]
        for second, session_id in enumerate(ids):  # in one tick of the kernel's clock nobody came first
            used = time.time() - 60 + second
            os.utime(service.store / "records" / f"{session_id}.json", (used, used))
        before = service.stored()
        for _ in range(2):
            answer = (await caller.http.get("/console/sessions")).json()
            assert [session["id"] for session in answer["sessions"]] == ids[::-1]
        assert service.stored() == before


# --- it stays small, and right ---------------------------------------------------------------------------------------


def test_an_hour_is_all_that_is_kept() -> None:
    """After a day of runs there are sixty minutes and the last runs; nothing older than an hour is returned."""
    events = Events()
    hour = Hour(events)
    for minute in range(24 * 60):
        events.tell(a_run(AT + 60 * minute, ending="ok" if minute % 2 else "exit"))
    now = AT + 60 * (24 * 60 - 1)
    assert len(hour.minutes(now)) == len(hour.minutes(0.0)) == MINUTES
    assert len(hour.last_runs) == LAST_RUNS
    assert len(hour.minutes(now + 30 * 60)) == MINUTES // 2
    assert hour.minutes(now + 3600) == []


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    """A run that began in an earlier minute is counted in the minute in which it ends."""
    events = Events()
    hour = Hour(events)
    events.tell(a_run(AT))
    events.tell(a_run(AT - 600))
    assert [minute.times.total() for minute in hour.minutes(AT)] == [2]


def test_a_pause_is_not_an_end() -> None:
    """A program that waits for tools is counted once, when it ends."""
    events = Events()
    hour = Hour(events)
    events.tell(a_run(ending="paused"))
    assert (list(hour.last_runs), hour.minutes(AT)) == ([], [])


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_are_true_to_three_per_cent(seed: int) -> None:
    """Median and p95 of ten thousand runs, from counters of a few hundred bytes."""
    chance = random.Random(seed)
    times = [chance.lognormvariate(-3, 1.5) for _ in range(9_999)]
    events = Events()
    hour = Hour(events)
    for number, seconds in enumerate(times):
        events.tell(a_run(AT + number % 300, seconds))
    minutes = hour.minutes(AT + 300)
    assert quantile(0.5, minutes) == pytest.approx(statistics.median(times), rel=0.03)
    assert quantile(0.95, minutes) == pytest.approx(statistics.quantiles(times, n=20)[-1], rel=0.035)
    assert sum(len(minute.times) for minute in minutes) < 300 * len(minutes)
    assert quantile(0.5, []) is None


@pytest.mark.parametrize(
    ("signs", "release"),
    [
        ({"X-API-Key", "/v1", "listing", "session_id refs"}, "v0.8.5 or earlier"),
        ({"Basic", "object probe", "/v1"}, "v0.8.6 or later"),
        ({"no credential", "storage_session_id refs", "session hint"}, "v0.8.7 or later"),
        ({"token", "/upload/batch"}, "v0.8.6 or later"),
        ({"X-API-Key", "token"}, "v0.8.5 or earlier, and another v0.8.6 or later"),
        ({"Bearer key", "/v1", "/upload"}, None),
    ],
)
def test_a_release_is_told_by_its_signs(signs: set[str], release: str | None) -> None:
    """Section 9 of the contract as a test."""
    assert release_of(signs) == release


def test_old_signs_are_forgotten_and_memory_is_bounded() -> None:
    """After an upgrade of LibreChat the old release is no longer shown; the list of refusals is bounded."""
    events = Events()
    callers = Clients(events)
    events.tell(LibreChatSpoke(AT, "LibreChat/1.0", ("X-API-Key",)))
    events.tell(LibreChatSpoke(AT + 900, "LibreChat/1.0", ("Basic",)))
    assert callers.release() == "v0.8.6 or later"
    for number in range(1000):
        events.tell(Refused(AT + number, "why", "Basic", "other", "x"))
    assert len(callers.refusals) == LAST_REFUSALS


def test_spares_are_counted_by_pool() -> None:
    """Hits, misses and ready sandboxes of each pool and kind."""
    events = Events()
    pools = Pools(events)
    events.tell(PoolTaken("jail", "bare", True, 1.0, 1))
    events.tell(PoolTaken("jail", "bare", False, None, 0))
    events.tell(PoolFilled("jail", "bare", 2))
    (pool,) = pools.all()
    assert (pool.ready, pool.hits, pool.misses) == (2, 1, 1)
