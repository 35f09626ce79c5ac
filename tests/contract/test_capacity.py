"""Without capacity, or with a part unavailable: 429 and 503, each with ``Retry-After`` (K37, K42)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from librechat_code_interpreter.core import readiness
from librechat_code_interpreter.core.errors import StoreUnavailable
from librechat_code_interpreter.core.protocols import Engine
from tests.contract.caller import Caller
from tests.contract.conftest import Serve
from tests.contract.engines import Down, Dying, Holding
from tests.contract.service import Service, until
from tests.contract.test_errors import assert_error

RUN = {"lang": "bash", "code": "echo on"}
ANSWERED_WITHIN_SECONDS = 60


def assert_come_again(answer: httpx.Response, status: int) -> None:
    """Check that an answer has a ``Retry-After`` that clients accept."""
    body = assert_error(answer, status)
    assert body["retry_after_seconds"] == int(answer.headers["retry-after"])
    assert 1 <= body["retry_after_seconds"] <= 15
    assert status != 429 or body["error"] == "rate_limited"


@asynccontextmanager
async def one_running(holding: Holding, caller: Caller, **body: str) -> AsyncIterator[None]:
    """Keep a program running meanwhile; it completes afterwards."""
    run = asyncio.ensure_future(caller.exec("echo on", "bash", **body))
    try:
        await holding.until_waiting(1)
        yield
    finally:
        holding.let_go.set()
        assert (await run)["stdout"] == "on\n"


@pytest.mark.parametrize(
    "limits",
    [
        {"max_concurrent_runs": 1, "max_queued_runs": 0},
        {"max_concurrent_runs": 1, "queue_timeout_seconds": 1},
        {"max_sandboxes": 1},
    ],
)
async def test_more_runs_than_there_is_room_for_are_told_when_to_come_again(
    serve: Serve, engine: Engine, limits: dict[str, int]
) -> None:
    """K42: 429 when places and queue are full, when the wait was too long, when all sandboxes are in use."""
    holding = Holding(engine)
    async with serve(holding, **limits) as service:
        caller = service.caller()
        async with one_running(holding, caller):
            running = set(holding.alive)
            second = asyncio.ensure_future(caller.http.post("/exec", json=RUN))
            await asyncio.wait([second], timeout=ANSWERED_WITHIN_SECONDS)
            sandboxes = set(holding.alive)
            holding.let_go.set()
            assert_come_again(await second, 429)
            assert sandboxes == running
        assert (await caller.exec("echo on", "bash"))["stdout"] == "on\n"


async def test_a_session_that_stays_busy_is_a_429(serve: Serve, engine: Engine) -> None:
    """K42: 429 for an explicit session whose run does not end within the wait."""
    holding = Holding(engine)
    async with serve(holding, queue_timeout_seconds=1) as service:
        caller = service.caller()
        session_id = (await caller.upload(("a.txt", b"a")))["session_id"]
        async with one_running(holding, caller, session_id=session_id):
            assert_come_again(await caller.http.post("/exec", json={**RUN, "session_id": session_id}), 429)


async def test_who_will_not_wait_still_takes_a_free_place(serve: Serve) -> None:
    """K42: QUEUE_TIMEOUT_SECONDS=0 refuses only requests that find no free slot."""
    async with serve(queue_timeout_seconds=0) as service:
        session_id = (await service.caller().exec("echo on", "bash"))["session_id"]
        assert (await service.caller().exec("echo on", "bash", session_id=session_id))["stdout"] == "on\n"


async def test_a_run_waits_for_a_place(serve: Serve, engine: Engine) -> None:
    """K42: within the queue's limits no request is refused."""
    holding = Holding(engine)
    async with serve(holding, max_concurrent_runs=1, max_queued_runs=3) as service:
        runs = [asyncio.ensure_future(service.caller().exec("echo on", "bash")) for _ in range(4)]
        await holding.until_waiting(1)
        assert holding.waiting == 1
        holding.let_go.set()
        assert [answer["stdout"] for answer in await asyncio.gather(*runs)] == ["on\n"] * 4


async def test_forty_calls_in_a_row_are_no_abuse(caller: Caller) -> None:
    """K42: LibreChat reads an image in 20 to 33 consecutive calls; a limit per user below 40 would break it."""
    answers = [await caller.exec("echo on", "bash", user_id="reader") for _ in range(40)]
    assert {answer["stdout"] for answer in answers} == {"on\n"}


async def test_an_engine_outage_is_a_503(serve: Serve, engine: Engine) -> None:
    """K42: 503 with Retry-After; also when the second sandbox dies too; readiness says so, liveness does not."""
    for broken in (Down(engine), Dying(engine, deaths=1000)):
        async with serve(broken) as service:
            caller = service.caller()
            assert_come_again(await caller.http.post("/exec", json=RUN), 503)
            ready = await caller.http.get("/readyz")
            assert (ready.status_code, "engine" in ready.json()["reasons"]) == (503, True)
            assert (await caller.http.get("/healthz")).status_code == 200


async def test_an_engine_outage_fails_no_file_route(serve: Serve, engine: Engine) -> None:
    """K37, K39: uploads, batches, listings, probes, downloads and deletions need no sandbox."""
    async with serve(Down(engine)) as service:
        caller = service.caller()
        ref = await caller.upload_one("a.txt", b"abc")
        session_id, file_id = ref["session_id"], ref["id"]
        batch = await caller.http.post("/upload/batch", files={"file": ("a.txt", b"a")})
        assert batch.status_code == 200
        assert len(await caller.listing(session_id)) == 1
        assert (await caller.http.get(f"/sessions/{session_id}/objects/{file_id}")).status_code == 200
        assert await caller.content(session_id, file_id) == b"abc"
        assert (await caller.http.delete(f"/files/{session_id}/{file_id}")).status_code == 200


async def test_file_routes_make_no_sandbox(serve: Serve, engine: Engine) -> None:
    """K37: file routes do not call the engine."""
    holding = Holding(engine)
    async with serve(holding) as service:
        ref = await service.caller().upload_one("a.txt", b"abc")
        await service.caller().content(ref["session_id"], ref["id"])
        assert holding.made == 0


async def test_a_store_outage_is_a_503(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """K42: 503 for uploads, listings and runs in a session; readiness reports it. Runs without a session still work."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("The file store does not answer.")

    async with serve() as service:
        caller = service.caller()
        for verb in ("load", "create", "write", "probe"):
            monkeypatch.setattr(service.parts.store, verb, away)
        assert_come_again(await caller.http.post("/upload", files={"file": ("a.txt", b"a")}), 503)
        assert_come_again(await caller.http.get("/files/" + "a" * 21), 503)
        assert_come_again(await caller.http.post("/exec", json=RUN | {"session_id": "a" * 21}), 503)
        assert (await caller.http.post("/exec", json=RUN)).status_code == 200
        ready = await caller.http.get("/readyz")
        assert (ready.status_code, "store" in ready.json()["reasons"]) == (503, True)


async def test_a_draining_service_ends_its_runs_and_takes_no_new_ones(serve: Serve, engine: Engine) -> None:
    """K42: 503 while the last runs end; those complete; readiness reports draining."""
    holding = Holding(engine)
    stopping = asyncio.Event()

    async def live() -> None:
        async with serve(holding, drain_seconds=20) as service:
            services.append(service)
            await stopping.wait()

    services: list[Service] = []
    living = asyncio.ensure_future(live())
    await until(lambda: bool(services))
    caller = services[0].caller()
    async with one_running(holding, caller):
        stopping.set()
        await until(lambda: services[0].parts.runs.admission.is_draining)
        assert_come_again(await caller.http.post("/exec", json=RUN), 503)
        ready = await caller.http.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    await living


@pytest.mark.parametrize("path", ["/healthz", "/health", "/v1/health", "/v1/healthz"])
async def test_health_needs_no_credential(serve: Serve, path: str) -> None:
    """K42, section 8: 200 {"status": "healthy", "version"} without a credential."""
    async with serve() as service:
        answer = await service.http().get(path)
    assert answer.status_code == 200
    assert answer.json().keys() == {"status", "version"}
    assert answer.json()["status"] == "healthy"


async def test_readiness_runs_a_program_and_needs_no_credential(
    serve: Serve, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K42, section 8: ready means that a program ran and the store accepted a file."""
    holding = Holding(engine)
    holding.let_go.set()
    async with serve(holding) as service:
        answer = await service.http().get("/readyz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ready")
        assert (holding.made, len(holding.alive)) == (1, 1)
        monkeypatch.setattr(readiness, "FRESH_SECONDS", 0.0)  # the next look is a fresh one, in the same sandbox
        assert (await service.http().get("/readyz")).status_code == 200
        assert (holding.made, len(holding.alive)) == (1, 1)
        assert service.stored() == set()


async def test_a_failed_clean_up_is_logged_and_tried_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """K42: background work continues after an outage of the store."""
    tries = 0

    async def away(_: float) -> list[str]:
        nonlocal tries
        tries += 1
        raise StoreUnavailable("The file store does not answer.")

    async with serve(cleanup_interval_seconds=1) as service:
        monkeypatch.setattr(service.parts.store, "idle_since", away)
        with caplog.at_level(logging.WARNING):
            await until(lambda: tries >= 2)
    assert "clean-up was cut short" in caplog.text
