"""Runs without a session id continue where their files are; runs of one session never overlap (design, K16)."""

from __future__ import annotations

import asyncio

import pytest

from librechat_code_interpreter.core.protocols import Engine
from tests.contract.caller import Caller, refs_to
from tests.contract.conftest import Serve
from tests.contract.engines import Holding
from tests.contract.service import Service, until

MAKE = "echo $RANDOM > made.txt"


async def test_a_follow_up_lands_in_the_session_of_its_files(caller: Caller) -> None:
    """K16, design step 2: the same known user, refs to an exec's outputs, no session id: the same session."""
    first = await caller.exec(MAKE, "bash", user_id="u1")
    second = await caller.exec("cat made.txt; echo on > more.txt", "bash", user_id="u1", files=refs_to(first))
    assert second["session_id"] == first["session_id"]
    third = await caller.exec("ls", "bash", user_id="u1", files=refs_to(second))
    assert (third["session_id"], third["stdout"]) == (first["session_id"], "made.txt\nmore.txt\n")


async def test_the_user_may_be_known_by_header(service: Service) -> None:
    """K8, identity of a request: the User-Id header serves as well as the body's ``user_id``."""
    caller = service.caller(User_Id="u2")
    first = await caller.exec(MAKE, "bash")
    second = await caller.exec("true", "bash", files=refs_to(first))
    assert second["session_id"] == first["session_id"]


@pytest.mark.parametrize(("first_user", "then_user"), [("u3", "u4"), ("u3", None), (None, "u3"), (None, None)])
async def test_another_or_an_unknown_user_gets_a_session_of_their_own(
    caller: Caller, first_user: str | None, then_user: str | None
) -> None:
    """K16: without a token ids are capabilities, so the file is readable; the session itself is not continued."""
    first = await caller.exec("echo a > made.txt", "bash", user_id=first_user)
    second = await caller.exec("cat made.txt", "bash", user_id=then_user, files=refs_to(first))
    assert second["session_id"] != first["session_id"]
    assert second["stdout"] == "a\n"


async def test_refs_to_uploads_do_not_choose_a_session(caller: Caller) -> None:
    """K16, design step 2: only sessions that a run made are chosen automatically."""
    ref = await caller.upload_one("a.txt")
    first = await caller.exec("cat a.txt", "bash", user_id="u5", files=[ref])
    assert first["session_id"] != ref["session_id"]


async def test_the_latest_session_among_the_refs_is_chosen(caller: Caller) -> None:
    """K16, design step 2: of several sessions of the user, the one that made a file last is chosen."""
    older = await caller.exec("echo a > a.txt", "bash", user_id="u6")
    newer = await caller.exec("echo b > b.txt", "bash", user_id="u6")
    assert older["session_id"] != newer["session_id"]
    for refs in (refs_to(older) + refs_to(newer), refs_to(newer) + refs_to(older)):
        ran = await caller.exec("cat a.txt b.txt", "bash", user_id="u6", files=refs)
        assert (ran["session_id"], ran["stdout"]) == (newer["session_id"], "a\nb\n")


async def test_a_hint_joins_the_runs_of_a_conversation(caller: Caller) -> None:
    """K25: runtime_session_hint alone brings the next run into the same session; another hint does not."""
    first = await caller.exec("echo a > a.txt", "bash", runtime_session_hint="conversation-7")
    second = await caller.exec("cat a.txt", "bash", runtime_session_hint="conversation-7")
    other = await caller.exec("ls", "bash", runtime_session_hint="conversation-8")
    assert (second["session_id"], second["stdout"]) == (first["session_id"], "a\n")
    assert (other["session_id"] == first["session_id"], other["stdout"]) == (False, "")


async def test_a_long_hint_is_no_error(caller: Caller) -> None:
    """K14, K25: hints have up to 256 characters; a longer one still works."""
    answers = [await caller.exec("true", "bash", runtime_session_hint="h" * size) for size in (256, 256, 5000)]
    assert answers[0]["session_id"] == answers[1]["session_id"]


async def test_an_explicit_session_wins_over_hint_and_refs(caller: Caller) -> None:
    """K16: an explicit session id wins."""
    hinted = await caller.exec(MAKE, "bash", user_id="u7", runtime_session_hint="conversation-9")
    asked = await caller.exec("true", "bash")
    ran = await caller.exec(
        "true", "bash", user_id="u7", runtime_session_hint="conversation-9", files=refs_to(hinted),
        session_id=asked["session_id"],
    )  # fmt: skip
    assert ran["session_id"] == asked["session_id"]


@pytest.mark.parametrize("known", [{"user_id": "u8"}, {"runtime_session_hint": "conversation-10"}])
async def test_a_busy_session_is_not_waited_for(serve: Serve, engine: Engine, known: dict[str, str]) -> None:
    """K16, design step 2: a parallel call of the same conversation runs at once, in a new session, with its files."""
    holding = Holding(engine)
    holding.let_go.set()
    async with serve(holding) as service:
        caller = service.caller()
        first = await caller.exec("echo a > made.txt", "bash", **known)
        holding.let_go.clear()
        follow = caller.exec("cat made.txt", "bash", files=refs_to(first), **known)
        parallel = caller.exec("cat made.txt", "bash", files=refs_to(first), **known)
        runs = [asyncio.ensure_future(run) for run in (follow, parallel)]
        await holding.until_waiting(2)
        holding.let_go.set()
        answers = await asyncio.gather(*runs)
    assert [answer["stdout"] for answer in answers] == ["a\n", "a\n"]
    sessions = {answer["session_id"] for answer in answers}
    assert len(sessions) == 2 and first["session_id"] in sessions


async def test_runs_of_one_session_never_overlap(caller: Caller) -> None:
    """K16, design step 3: parallel calls that name one session run in turn, each seeing the previous one's file."""
    session_id = (await caller.exec("echo 0 > n.txt", "bash"))["session_id"]
    count = "n=$(cat n.txt); sleep 0.05; echo $((n + 1)) > n.txt"
    runs = [caller.exec(count, "bash", session_id=session_id) for _ in range(4)]
    answers = await asyncio.gather(*runs)
    assert {answer["session_id"] for answer in answers} == {session_id}
    assert (await caller.exec("cat n.txt", "bash", session_id=session_id))["stdout"] == "4\n"


async def test_runs_of_different_sessions_run_at_once(serve: Serve, engine: Engine) -> None:
    """K16, design step 3: a run without a session id does not wait for another program while a slot is free."""
    holding = Holding(engine)
    async with serve(holding, max_concurrent_runs=3) as service:
        runs = [asyncio.ensure_future(service.caller().exec("echo on", "bash")) for _ in range(3)]
        await holding.until_waiting(3)
        holding.let_go.set()
        assert [answer["stdout"] for answer in await asyncio.gather(*runs)] == ["on\n"] * 3


async def test_two_first_runs_at_once_bind_to_one_language(serve: Serve, engine: Engine) -> None:
    """K17: of two languages that start together in an unbound session, the one that waited is refused."""
    holding = Holding(engine)
    async with serve(holding) as service:
        caller = service.caller()
        session_id = (await caller.upload(("a.txt", b"a")))["session_id"]
        first = asyncio.ensure_future(caller.exec("print('first')", session_id=session_id))
        await holding.until_waiting(1)
        body = {"lang": "js", "code": "console.log('second')", "session_id": session_id}
        second = asyncio.ensure_future(caller.http.post("/exec", json=body))
        await until(lambda: service.parts.runs.admission.present == 2)
        holding.let_go.set()
        assert (await first)["stdout"] == "first\n"
        assert (await second).status_code == 409
