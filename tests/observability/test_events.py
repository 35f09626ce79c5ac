"""One event for each request to run a program, without the program's content."""

from __future__ import annotations

import asyncio
import logging

import pytest

from librechat_code_interpreter.core.events import Events, FinishedRun
from librechat_code_interpreter.core.principal import Principal
from tests.contract.caller import Caller, refs_to
from tests.contract.programs import begin, resume, send
from tests.contract.service import Service, until

MARK = "m4rk-of-the-users-own"


async def test_a_run_is_told_with_its_sizes_and_times(caller: Caller, runs: list[FinishedRun]) -> None:
    """User, session, language, ending, exit code, sizes both ways, and times that the steps add up to."""
    answer = await caller.exec("open('out.txt', 'w').write('12345'); print('four')", user_id="ann")
    (run,) = runs
    assert (run.principal, run.session_id) == (Principal("key", user="ann"), answer["session_id"])
    assert (run.language, run.ending, run.exit_code, run.sandbox) == ("py", "ok", 0, "new")
    assert (run.output_chars, run.delivered_files, run.delivered_bytes) == (len("four\n"), 1, 5)
    assert (run.staged_files, run.is_follow_up, run.tool_rounds, run.failed_files) == (0, False, 0, 0)
    assert 0 < run.seconds.run < sum(run.seconds) <= run.total_seconds
    assert run.peak_memory_bytes > 0 and run.cpu_seconds > 0


async def test_a_follow_up_is_told_from_a_first_run(caller: Caller, runs: list[FinishedRun]) -> None:
    """A run with another's files continues in its sandbox and stages nothing; elsewhere everything is staged."""
    first = await caller.exec("open('a.txt', 'w').write('123')", user_id="bob")
    await caller.exec("open('a.txt').read()", files=refs_to(first), user_id="bob")
    await caller.exec("open('a.txt').read()", files=refs_to(first), user_id="carla")
    kept, elsewhere = runs[1:]
    assert (kept.is_follow_up, kept.sandbox, kept.staged_files) == (True, "kept", 0)
    assert (elsewhere.is_follow_up, elsewhere.sandbox) == (True, "new")
    assert (elsewhere.staged_files, elsewhere.staged_bytes) == (1, 3)


@pytest.mark.parametrize(("code", "ending"), [("raise SystemExit(3)", "exit"), ("while True: pass", "time")])
async def test_the_ending_is_told(caller: Caller, runs: list[FinishedRun], code: str, ending: str) -> None:
    """However a program ends, its ending is the event's."""
    await caller.exec(code, timeout=1000)
    assert [run.ending for run in runs] == [ending]


async def test_a_request_that_runs_nothing_is_told_by_its_error(caller: Caller, runs: list[FinishedRun]) -> None:
    """A 409 is an event with the error's code; a request that asks for no run is none."""
    session_id = (await caller.exec("1"))["session_id"]
    refused = await caller.http.post("/exec", json={"lang": "js", "code": "1", "session_id": session_id})
    malformed = await caller.http.post("/exec", json={"lang": "klingon", "code": "1"})
    assert (refused.status_code, malformed.status_code) == (409, 400)
    assert [(run.ending, run.sandbox) for run in runs] == [("ok", "new"), ("language_conflict", "")]


async def test_a_cancelled_run_is_told(service: Service, caller: Caller, runs: list[FinishedRun]) -> None:
    """A client that disconnects leaves an event that says so."""
    asking = asyncio.ensure_future(caller.exec("import time; time.sleep(60)"))
    await until(lambda: service.parts.runs.admission.present == 1)
    asking.cancel()
    await asyncio.wait([asking])
    await until(lambda: bool(runs))
    assert [run.ending for run in runs] == ["cancelled"]


async def test_the_requests_of_one_program_share_its_run_id(caller: Caller, runs: list[FinishedRun]) -> None:
    """A program that pauses twice is three events under one run id, with their round; a dead token is a fourth."""
    reply = await begin(caller, "await echo(); await echo()")
    again = await resume(caller, reply)
    end = await resume(caller, again)
    assert (await send(caller, reply["continuation_token"], [{"call_id": "call_001", "result": 1}])).status_code == 404
    assert [(run.ending, run.tool_rounds) for run in runs[:3]] == [("paused", 1), ("paused", 2), ("ok", 2)]
    assert runs[3].ending == "not_found"
    assert len({run.run_id for run in runs}) == 1
    assert {run.session_id for run in runs} == {end["session_id"]}


async def test_nothing_of_the_users_own_is_told(caller: Caller, runs: list[FinishedRun]) -> None:
    """Neither code, arguments, output nor names and content of files are in the event."""
    code = f"import sys; print('{MARK}', sys.argv[1]); open('{MARK}.txt', 'w').write('{MARK}')"
    first = await caller.exec(code, args=[MARK])
    await caller.exec(f"print(open('{MARK}.txt').read()); {MARK.replace('-', '_')}", files=refs_to(first))
    assert len(runs) == 2
    assert MARK not in repr(runs)


def test_a_failing_listener_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A listener's exception is logged; the others receive the event, and the run continues."""
    parse_reply: list[str] = []
    events = Events()
    events.on(str, lambda _: [].pop())
    events.on(str, parse_reply.append)
    with caplog.at_level(logging.ERROR):
        events.tell("something")
    assert parse_reply == ["something"]
    assert "str was not noted" in caplog.text
