"""A sandbox is a cache: no file is lost if it is evicted, idle, dead or restarted (K12, K16, K20)."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.protocols import Engine, Staged
from librechat_code_interpreter.core.session import Record, now
from librechat_code_interpreter.settings import DAY_SECONDS
from tests.contract.caller import Caller, Json, Ref, names, refs_to
from tests.contract.conftest import Serve
from tests.contract.engines import Borrowed, Dying
from tests.contract.service import Service


async def three_sessions(caller: Caller) -> list[Json]:
    """Run in three sessions, each leaving a file of its own."""
    return [await caller.exec(f"echo {number} > n.txt", "bash") for number in range(3)]


async def assert_all_there(caller: Caller, sessions: list[Json]) -> None:
    """Check that each session continues with its file."""
    for number, session in enumerate(sessions):
        ran = await caller.exec("cat n.txt", "bash", session_id=session["session_id"])
        assert (ran["session_id"], ran["stdout"]) == (session["session_id"], f"{number}\n")
        assert await caller.output(session, "n.txt") == f"{number}\n".encode()


async def test_a_restart_of_the_service_keeps_sessions_and_files(serve: Serve) -> None:
    """K16: after a restart, files are listed and downloaded, and sessions continue in their language."""
    async with serve() as service:
        uploaded = await service.caller().upload(("in.txt", b"in"))
        session_id = uploaded["session_id"]
        made = await service.caller().exec("open('out.txt', 'w').write('out')", session_id=session_id)
        listed = await service.caller().listing(session_id)
    async with serve() as service:
        caller = service.caller()
        assert await caller.listing(session_id) == listed
        assert await caller.output(made, "out.txt") == b"out"
        ran = await caller.exec("print(open('in.txt').read() + open('out.txt').read())", session_id=session_id)
        assert (ran["session_id"], ran["stdout"]) == (session_id, "inout\n")
        other = await caller.http.post("/exec", json={"lang": "js", "code": "", "session_id": session_id})
        assert other.status_code == 409


async def test_an_evicted_sandbox_loses_no_file(serve: Serve, engine: Engine) -> None:
    """K12: MAX_SANDBOXES: the longest idle sandbox is evicted, and its session continues in another."""
    borrowed = Borrowed(engine)
    async with serve(borrowed, max_sandboxes=2) as service:
        sessions = await three_sessions(service.caller())
        assert (len(borrowed.alive), borrowed.made) == (2, 3)
        await assert_all_there(service.caller(), sessions)
        assert len(borrowed.alive) == 2


async def test_an_idle_sandbox_is_destroyed_and_loses_no_file(serve: Serve, engine: Engine) -> None:
    """K12: SESSION_TTL_SECONDS destroys the sandbox; the session, its files and its next run are unaffected."""
    borrowed = Borrowed(engine)
    async with serve(borrowed) as service:
        sessions = await three_sessions(service.caller())
        for lease in await service.parts.leases.all():
            lease.used_at -= 1800 + 1
        await service.parts.cleanup.clean_up()
        assert borrowed.alive == {}
        await assert_all_there(service.caller(), sessions)


async def test_a_sandbox_in_use_is_not_idle(serve: Serve, engine: Engine) -> None:
    """K12: cleanup keeps what was used recently."""
    borrowed = Borrowed(engine)
    async with serve(borrowed) as service:
        await three_sessions(service.caller())
        await service.parts.cleanup.clean_up()
        assert len(borrowed.alive) == 3


async def test_a_sandbox_that_died_is_replaced_unnoticed(serve: Serve, engine: Engine) -> None:
    """K18, design step 6: a sandbox that died before the program started is replaced, and staged again."""
    dying = Dying(engine, deaths=0)
    async with serve(dying) as service:
        caller = service.caller()
        first = await caller.exec("echo a > a.txt", "bash")
        dying.deaths = 1
        second = await caller.exec("cat a.txt", "bash", session_id=first["session_id"])
    assert (second["stdout"], second["stderr"], dying.made) == ("a\n", "", 2)


async def test_a_sandbox_that_dies_during_a_run_is_told_and_the_run_not_repeated(serve: Serve, engine: Engine) -> None:
    """K18: 200 with the reason on stderr; the session keeps what it had."""
    dying = Dying(engine, deaths=0, during_run=True)
    async with serve(dying) as service:
        caller = service.caller()
        first = await caller.exec("echo a > a.txt", "bash")
        dying.deaths = 1
        lost = await caller.exec("cat a.txt", "bash", session_id=first["session_id"])
        after = await caller.exec("cat a.txt", "bash", session_id=first["session_id"])
    assert (lost["status"], lost["stdout"], lost["files"]) == ("SG", "", [])
    assert lost["stderr"].startswith("[sandbox] ")
    assert (after["session_id"], after["stdout"], dying.made) == (first["session_id"], "a\n", 2)


async def test_a_destroyed_sandbox_never_gives_anothers_files(engine: Engine) -> None:
    """K9: a request to a destroyed sandbox fails, and returns no byte of a newer one."""

    async def secret() -> AsyncIterator[bytes]:
        yield b"somebody else's"

    destroyed = [await engine.create() for _ in range(6)]
    for sandbox in destroyed:
        await engine.destroy(sandbox.id)
    others = [await engine.create() for _ in range(12)]
    for sandbox in others:
        await sandbox.put([Staged("same.txt", 15, secret)])
    try:
        for sandbox in destroyed:
            with pytest.raises((OSError, EngineUnavailable)):
                assert [chunk async for chunk in sandbox.get("same.txt")] == []
    finally:
        for sandbox in others:
            await engine.destroy(sandbox.id)


def age(service: Service, session_id: str, seconds: float) -> None:
    """Make a session look unused for this time."""
    (record,) = service.store.glob(f"records/{session_id}*")
    then = time.time() - seconds
    os.utime(record, (then, then))


async def is_there(caller: Caller, session_id: str) -> bool:
    """Return whether a session is listed."""
    return (await caller.http.get(f"/files/{session_id}")).status_code == 200


async def test_files_are_kept_for_their_time_after_the_last_use_of_their_session(serve: Serve) -> None:
    """K12: FILE_TTL_SECONDS counts for a session as a whole; then record and bytes are erased."""
    async with serve(file_ttl_seconds=DAY_SECONDS) as service:
        caller = service.caller()
        untouched = service.stored()
        old = (await caller.upload(("a.txt", b"a"), ("b.txt", b"b")))["session_id"]
        age(service, old, DAY_SECONDS - 60)
        await service.parts.cleanup.clean_up()
        assert await is_there(caller, old)
        age(service, old, DAY_SECONDS + 60)
        await service.parts.cleanup.clean_up()
        assert not await is_there(caller, old)
        assert service.stored() == untouched


async def test_a_run_in_a_session_keeps_all_its_files(serve: Serve) -> None:
    """K12: per session, never by file: an old file of a session used today stays."""
    async with serve(file_ttl_seconds=DAY_SECONDS) as service:
        caller = service.caller()
        session = await caller.upload(("a.txt", b"a"))
        age(service, session["session_id"], DAY_SECONDS + 60)
        await caller.exec("true", "bash", session_id=session["session_id"])
        await service.parts.cleanup.clean_up()
        assert await caller.content(session["session_id"], session["files"][0]["id"]) == b"a"


async def test_a_file_that_runs_refer_to_is_in_use(serve: Serve) -> None:
    """K12: old clients name a file of another session in every call; that is a use of that session too."""
    async with serve(file_ttl_seconds=2 * DAY_SECONDS) as service:
        caller = service.caller()
        ref = await caller.upload_one("a.txt", b"a")
        record = await service.parts.store.load(ref["session_id"])
        assert record is not None
        record.used = record.used.replace(year=record.used.year - 1)
        await service.parts.store.change(record.id, lambda stored: setattr(stored, "used", record.used))
        age(service, ref["session_id"], 2 * DAY_SECONDS + 60)
        await caller.exec("cat a.txt", "bash", files=[ref])
        await service.parts.cleanup.clean_up()
        assert await is_there(caller, ref["session_id"])


Use = Callable[[Caller, Ref], Awaitable[object]]


async def made_yesterday(service: Service) -> Ref:
    """Upload a file and date it back by 23.5 hours."""
    ref = await service.caller().upload_one("a.txt")
    then = now() - timedelta(hours=23.5)

    def apply(record: Record) -> None:
        record.used = then
        record.files = {key: file.model_copy(update={"modified": then}) for key, file in record.files.items()}

    await service.parts.store.change(ref["session_id"], apply)
    age(service, ref["session_id"], 23.5 * 3600)
    return ref


def hours_old(time: str) -> float:
    """Return how long ago a time on the wire is."""
    return (now() - datetime.fromisoformat(time)).total_seconds() / 3600


@pytest.mark.parametrize("detail", ["summary", "full", "normalized"])
async def test_a_listing_counts_as_a_use_before_it_is_answered(service: Service, detail: str) -> None:
    """K12: the liveness check of LibreChat <= v0.8.5 finds its file younger than 23 h, so it uploads nothing again."""
    ref = await made_yesterday(service)
    [file] = await service.caller().listing(ref["session_id"], detail=detail)
    assert hours_old(file["lastModified"]) < 23


async def test_a_probe_counts_as_a_use_before_it_is_answered(service: Service) -> None:
    """K12: so does the liveness check of LibreChat >= v0.8.6."""
    ref = await made_yesterday(service)
    answer = await service.caller().http.get(f"/sessions/{ref['session_id']}/objects/{ref['id']}")
    assert hours_old(answer.json()["lastModified"]) < 23


@pytest.mark.parametrize(
    "use",
    [
        lambda caller, ref: caller.listing(ref["session_id"]),
        lambda caller, ref: caller.http.get(f"/sessions/{ref['session_id']}/objects/{ref['id']}"),
        lambda caller, ref: caller.content(ref["session_id"], ref["id"]),
        lambda caller, ref: caller.exec("true", "bash", files=[ref]),
        lambda caller, ref: caller.exec("true", "bash", session_id=ref["session_id"]),
        lambda caller, ref: caller.upload_one("b.txt", session_id=ref["session_id"]),
    ],
    ids=["listing", "probe", "download", "ref", "run", "upload"],
)
async def test_every_use_of_a_session_keeps_all_its_files(serve: Serve, use: Use) -> None:
    """K12: after it they live for their whole time again, and are reported as new."""
    async with serve(file_ttl_seconds=DAY_SECONDS) as service:
        ref = await made_yesterday(service)
        await use(service.caller(), ref)
        (record,) = service.store.glob(f"records/{ref['session_id']}*")
        assert time.time() - record.stat().st_mtime < 3600
        files = await service.caller().listing(ref["session_id"])
        assert all(hours_old(file["lastModified"]) < 1 for file in files)


async def test_a_session_in_use_every_day_is_never_too_old(service: Service) -> None:
    """K12: a file over the upload limit could not be uploaded again; daily probes need not make it young."""

    def a_day_later(record: Record) -> None:
        record.used -= timedelta(hours=22.9)

    ref = await made_yesterday(service)
    for _ in range(3):
        [file] = await service.caller().listing(ref["session_id"])
        assert hours_old(file["lastModified"]) < 23
        await service.parts.store.change(ref["session_id"], a_day_later)


async def test_a_file_made_after_the_last_use_has_its_own_time(service: Service) -> None:
    """K12: the later of the two times is reported."""
    ref = await service.caller().upload_one("a.txt")

    def used_before(record: Record) -> None:
        record.used -= timedelta(minutes=30)

    await service.parts.store.change(ref["session_id"], used_before)
    record = await service.parts.store.load(ref["session_id"])
    [file] = await service.caller().listing(ref["session_id"])
    assert record is not None
    assert datetime.fromisoformat(file["lastModified"]) == record.files[ref["id"]].modified


async def test_files_may_be_kept_for_ever(serve: Serve) -> None:
    """K12: FILE_TTL_SECONDS=0."""
    async with serve(file_ttl_seconds=0) as service:
        caller = service.caller()
        session_id = (await caller.upload(("a.txt", b"a")))["session_id"]
        age(service, session_id, 1000 * DAY_SECONDS)
        await service.parts.cleanup.clean_up()
        assert await is_there(caller, session_id)


async def test_a_client_of_an_expired_session_goes_on(serve: Serve) -> None:
    """K15, K16: its session id starts a new session, its refs are named on stderr."""
    async with serve(file_ttl_seconds=DAY_SECONDS) as service:
        caller = service.caller()
        first = await caller.exec("echo a > a.txt", "bash", runtime_session_hint="h", user_id="u")
        age(service, first["session_id"], DAY_SECONDS + 60)
        await service.parts.cleanup.clean_up()
        ran = await caller.exec(
            "ls; echo b > b.txt", "bash", session_id=first["session_id"], files=refs_to(first),
            runtime_session_hint="h", user_id="u",
        )  # fmt: skip
    assert ran["session_id"] != first["session_id"]
    assert (ran["stdout"], names(ran)) == ("", ["b.txt"])
    assert "a.txt" in ran["stderr"]


@pytest.mark.parametrize("url", ["memory://", "file://{path}"])
async def test_any_store_url_serves(serve: Serve, tmp_path: Path, url: str) -> None:
    """K37, design, Files: the same flow on a store named by URL."""
    async with serve(file_store_url=url.format(path=tmp_path)) as service:
        caller = service.caller()
        ref = await caller.upload_one("a.txt", b"a")
        ran = await caller.exec("cat a.txt; echo b > b.txt", "bash", files=[ref])
        assert (ran["stdout"], await caller.output(ran, "b.txt")) == ("a", b"b\n")
