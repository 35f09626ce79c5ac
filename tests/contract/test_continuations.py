"""Resuming paused programs: tokens, times, cancellation, and the sandbox's end (K26, K32, K33)."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from librechat_code_interpreter import wiring
from librechat_code_interpreter.core import sandbox_leases
from librechat_code_interpreter.core.continuation_tokens import ContinuationTokens
from librechat_code_interpreter.core.ids import is_paused_run
from librechat_code_interpreter.core.run_service import RunPolicy
from librechat_code_interpreter.runner.messages import Limits
from tests.contract import live, tokens
from tests.contract.caller import Caller, Json, names
from tests.contract.conftest import Serve
from tests.contract.engines import Borrowed
from tests.contract.programs import ECHO, PATH, answered, begin, play, post, resume, send, tools
from tests.contract.service import Service, serving, until
from tests.contract.test_errors import assert_error
from tests.service import LiveService, running_service

CANCEL = f"{PATH}/cancel"
REQUEST_ID = "X_LibreChat_Code_Request_ID"
TWO_CALLS = "print(await asyncio.gather(echo(n=1), echo(n=2)))"
WAITS = "await echo()\nimport time\ntime.sleep(60)"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def people(service: Service, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """Live an application that takes tokens and the key."""
    store: Path = tmp_path_factory.mktemp("continuations") / "store"
    keys = {"codeapi_jwt_public_key": tokens.public_key(), "codeapi_jwt_kid": tokens.KID}
    async with serving(store, Borrowed(service.parts.engine), **keys) as tenants:
        yield tenants


def alive(service: Service) -> set[str]:
    """Name the sandboxes that were made through this application's engine."""
    engine = service.parts.engine
    assert isinstance(engine, Borrowed)
    return set(engine.alive)


async def paused_runs(service: Service) -> int:
    """Count the programs that wait."""
    return sum(is_paused_run(lease.session_id) for lease in await service.parts.leases.all())


def altered(token: str) -> list[str]:
    """Change a token without changing its shape: its claims, its signature, its algorithm."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["t"]["calls"] = []
    other = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    turned = ("A" if signature[0] != "A" else "B") + signature[1:]
    return [f"{head}.{other}.{signature}", f"{head}.{body}.{turned}", f"{none}.{body}.{signature}", f"{none}.{other}.x"]


# --- results and tokens (K32) ----------------------------------------------------------------------------------------


async def test_results_that_do_not_fit_the_calls_are_malformed(caller: Caller) -> None:
    """K32: missing, partial, duplicate or unknown results: 400; the program still waits, and accepts the right ones."""
    paused = await begin(caller, TWO_CALLS)
    one, two = answered(paused)
    wrong: list[Any] = [
        [], None, [one], [two], [one, one], [one, two, two], [one, {**two, "call_id": "call_003"}],
        [one, two, {"call_id": ""}],
        [{**one, "call_id": "CALL_001"}, two], [one, {"result": 1}], [one, {**two, "call_id": None}], "no", [3], {},
    ]  # fmt: skip
    for results in wrong:
        assert_error(await send(caller, paused["continuation_token"], results), 400, "tool_results")
    assert (await resume(caller, paused))["stdout"] == "[{'n': 1}, {'n': 2}]\n"


async def test_a_token_that_is_none_is_malformed(caller: Caller) -> None:
    """K32: 400 for a malformed token, 404 for one that this service did not make."""
    shapeless: list[Any] = [
        "", "x", "a.b", "a.b.c.d", "a b.c.d", "ä.b.c", "..", "a.b.c\n", "\ud800.b.c", "a" * 100_000, {}, [],
    ]  # fmt: skip
    for token in shapeless:
        assert_error(await send(caller, token, [{"call_id": "call_001"}]), 400, "continuation_token")
    for token in ("a.b.c", "a" * 100_000 + ".b.c", tokens.token("alice")):
        assert_error(await send(caller, token, [{"call_id": "call_001"}]), 404)


async def test_an_altered_token_is_not_found(caller: Caller) -> None:
    """K32: an altered token is a 404; the original still works."""
    paused = await begin(caller, TWO_CALLS)
    for token in altered(paused["continuation_token"]):
        assert_error(await send(caller, token, answered(paused)), 404)
    assert (await resume(caller, paused))["status"] == "completed"


async def test_a_token_is_good_once(caller: Caller) -> None:
    """K32: the token of an earlier pause, or of a program that has ended, is a 404 and has no effect."""
    first = await begin(caller, "await echo(n=1)\nprint(await echo(n=2))")
    second = await resume(caller, first)
    assert_error(await send(caller, first["continuation_token"], answered(first)), 404)
    assert (await resume(caller, second))["stdout"] == "{'n': 2}\n"
    for paused in (first, second):
        assert_error(await send(caller, paused["continuation_token"], answered(paused)), 404)
    assert (await caller.exec("print(1)", session_id=first["session_id"]))["stdout"] == "1\n"


async def test_a_token_expires(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """K32: 404 after its lifetime, ten minutes by default."""
    assert sandbox_leases.PAUSE_SECONDS >= 600
    monkeypatch.setattr(wiring, "ContinuationTokens", lambda secret, _: ContinuationTokens(secret, -1))
    async with serve() as service:
        caller = service.caller()
        paused = await begin(caller, TWO_CALLS)
        assert_error(await send(caller, paused["continuation_token"], answered(paused)), 404)


async def test_a_token_does_not_outlive_the_service(serve: Serve) -> None:
    """K32: a continuation after a restart is a 404."""
    async with serve() as service:
        paused = await begin(service.caller(), TWO_CALLS)
    async with serve() as service:
        assert_error(await send(service.caller(), paused["continuation_token"], answered(paused)), 404)


async def test_only_its_caller_goes_on_with_a_program(people: Service) -> None:
    """K9, K32: 404 for another user, another tenant and the key; another token of the same user works."""
    paused = await begin(people.bearer(tokens.token("alice")), TWO_CALLS)
    strangers = [
        people.bearer(tokens.token("bob")), people.bearer(tokens.token("alice", tenant="rival")),
        people.caller(User_Id="alice"),
    ]  # fmt: skip
    for stranger in strangers:
        assert_error(await send(stranger, paused["continuation_token"], answered(paused)), 404)
    assert (await people.caller().http.post(PATH, json={})).status_code == 400
    assert (
        await people.http().post(PATH, json={"continuation_token": paused["continuation_token"]})
    ).status_code == 401
    assert (await resume(people.bearer(tokens.token("alice")), paused))["status"] == "completed"
    foreign = await begin(people.caller(), TWO_CALLS)
    assert_error(await send(strangers[0], foreign["continuation_token"], answered(foreign)), 404)


async def test_a_continuation_in_flight_is_a_conflict(people: Service) -> None:
    """K32: the second of two is a 409 while the first runs; cancelling the first frees everything."""
    caller = people.caller()
    paused = await begin(caller, WAITS)
    first = asyncio.ensure_future(send(caller, paused["continuation_token"], answered(paused), **{REQUEST_ID: "r1"}))
    await until(lambda: people.parts.runs.admission.present == 1)
    body = assert_error(await send(caller, paused["continuation_token"], answered(paused)), 409)
    assert body["error"] == "continuation_in_flight"
    assert (await caller.http.post(CANCEL, json={"request_id": "r1"})).status_code == 200
    assert_error(await first, 499)
    assert_error(await send(caller, paused["continuation_token"], answered(paused)), 404)


async def test_two_answers_at_the_same_time_have_one_effect(caller: Caller) -> None:
    """K28, K32: of ten continuations sent at once one is accepted; the program has its effect once."""
    paused = await begin(caller, "await echo()\nopen('effects.txt', 'a').write('x')")
    token = paused["continuation_token"]
    answers = await asyncio.gather(*[send(caller, token, answered(paused)) for _ in range(10)])
    (end,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 404, 409}
    assert await caller.output(end, "effects.txt") == b"x"


# --- times (K32) -----------------------------------------------------------------------------------------------------


async def test_the_time_limit_counts_from_one_reply_to_the_next(caller: Caller) -> None:
    """K32: with a limit of a second, two seconds of computing in three parts and a slow tool stay within it."""
    paused = await begin(caller, "import time\nfor _ in range(3):\n    time.sleep(0.7)\n    await echo()", timeout=1000)
    await asyncio.sleep(1.2)  # the tool's time, which is what the claim is about
    end = await resume(caller, await resume(caller, await resume(caller, paused)))
    assert end["status"] == "completed", end


async def test_a_program_that_was_paused_still_has_its_limit(caller: Caller) -> None:
    """K31, K32: too long computing after a pause is a timeout, with the output and files until then."""
    code = "await echo()\nopen('a.txt', 'w').write('a')\nprint('so far')\nimport time\ntime.sleep(60)"
    end = (await play(caller, code, timeout=1000)).end
    assert (end["error"], end["stdout"], names(end)) == ("Time limit exceeded", "so far\n", ["a.txt"])


async def test_a_program_that_waited_too_long_ends(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """K32: past the time of a pause the program is ended in its sandbox; a late continuation reports it."""

    def short(usual_seconds: float, max_seconds: float, limits: Limits) -> RunPolicy:
        return RunPolicy(usual_seconds, max_seconds, replace(limits, pause_seconds=0.2))

    monkeypatch.setattr(wiring, "RunPolicy", short)
    async with serve() as service:
        seconds = f"40.{secrets.randbelow(10**9):09}"
        code = f"import subprocess\nsubprocess.Popen(['sleep', '{seconds}'])\nprint('begun')\nawait echo()"
        paused = await begin(service.caller(), code)
        assert await asyncio.to_thread(live.until, lambda: not live.is_running("sleep", seconds))
        end = await resume(service.caller(), paused)
    assert (end["status"], end["error"], end["stdout"]) == ("error", "Execution failed or timed out", "begun\n")


async def test_what_nobody_goes_on_with_is_cleaned_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """K32: after a pause's time its sandbox is destroyed and its slot is free; not before."""
    async with serve() as service:
        paused = await begin(service.caller(), TWO_CALLS)
        await service.parts.cleanup.clean_up()
        assert (len(alive(service)), await paused_runs(service)) == (1, 1)
        monkeypatch.setattr(sandbox_leases, "PAUSE_SECONDS", -61.0)
        await service.parts.cleanup.clean_up()
        assert (alive(service), await paused_runs(service)) == (set(), 0)
        assert_error(await send(service.caller(), paused["continuation_token"], answered(paused)), 404)


# --- cancelling and leaving (K26, K33) -------------------------------------------------------------------------------


async def test_a_request_in_flight_can_be_cancelled(serve: Serve) -> None:
    """K33: cancels a first request or a continuation: program and sandbox are destroyed, the session continues."""
    seconds = f"40.{secrets.randbelow(10**9):09}"
    code = f"import subprocess\nsubprocess.run(['sleep', '{seconds}'])"

    async def cancelled(caller: Caller, request: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
        sent = asyncio.ensure_future(request)
        assert await asyncio.to_thread(live.until, lambda: live.is_running("sleep", seconds))
        answer = await caller.http.post(CANCEL, json={"request_id": "r2"})
        assert (answer.status_code, answer.json()["request_id"]) == (200, "r2")
        assert await asyncio.to_thread(live.until, lambda: not live.is_running("sleep", seconds))
        return await sent

    async with serve() as service:
        caller = service.caller()
        session_id = (await caller.exec("open('a.txt', 'w').write('a')"))["session_id"]
        body = {"code": code, "tools": [ECHO], "session_id": session_id}
        assert_error(await cancelled(caller, post(caller, body, **{REQUEST_ID: "r2"})), 499)
        assert (alive(service), await paused_runs(service)) == (set(), 0)
        paused = await begin(caller, f"await echo()\n{code}", session_id=session_id)
        assert (len(alive(service)), await paused_runs(service)) == (1, 1)
        answer = send(caller, paused["continuation_token"], answered(paused), **{REQUEST_ID: "r2"})
        assert_error(await cancelled(caller, answer), 499)
        assert (alive(service), await paused_runs(service)) == (set(), 0)
        assert (await caller.exec("print(open('a.txt').read())", session_id=session_id))["stdout"] == "a\n"


async def test_what_is_not_in_flight_cannot_be_cancelled(people: Service) -> None:
    """K33: 404 for an unknown name, one whose request has ended, and another caller's; 400 without a name."""
    alice, bob = people.bearer(tokens.token("alice")), people.bearer(tokens.token("bob"))
    for request_id in ("never", "", "\x00", "x" * 10_000):
        assert_error(await alice.http.post(CANCEL, json={"request_id": request_id}), 404)
    nameless: list[Any] = [{}, {"request_id": None}, {"request_id": {}}, [], 3]
    for body in nameless:
        assert_error(await alice.http.post(CANCEL, json=body), 400)
    paused = await post(alice, {"code": WAITS, "tools": [ECHO]}, **{REQUEST_ID: "r3"})
    assert_error(await alice.http.post(CANCEL, json={"request_id": "r3"}), 404)
    reply = paused.json()
    going_on = asyncio.ensure_future(send(alice, reply["continuation_token"], answered(reply), **{REQUEST_ID: "r3"}))
    await until(lambda: people.parts.runs.admission.present == 1)
    for stranger in (bob, people.caller(), people.bearer(tokens.token("alice", tenant="rival"))):
        assert_error(await stranger.http.post(CANCEL, json={"request_id": "r3"}), 404)
    assert (await alice.http.post(CANCEL, json={"request_id": "r3"})).status_code == 200
    assert_error(await going_on, 499)


def test_a_client_that_leaves_cancels_its_program(live_service: LiveService) -> None:
    """K26: when the connection of a continuation closes, the program and what it started are killed."""
    seconds = f"40.{secrets.randbelow(10**9):09}"
    code = f"await echo()\nimport subprocess\nsubprocess.run(['sleep', '{seconds}'])"
    with live.connected(live_service) as connection:
        connection.sendall(live.exec_request(live_service, PATH, code=code, tools=[ECHO]))
        paused = live.answer_on(connection)[1]
        going_on = {"continuation_token": paused["continuation_token"], "tool_results": answered(paused)}
        connection.sendall(live.exec_request(live_service, PATH, **going_on))
        assert live.until(lambda: live.is_running("sleep", seconds)), "the program never went on"
    assert live.until(lambda: not live.is_running("sleep", seconds)), "the program went on without its client"
    with live.connected(live_service) as connection:
        connection.sendall(live.exec_request(live_service, PATH, **going_on))
        assert live.answer_on(connection)[0] == 404


def test_a_service_that_stops_leaves_no_program_behind(tmp_path: Path) -> None:
    """K32: at shutdown a waiting program ends, and so does everything that it started."""
    seconds = f"40.{secrets.randbelow(10**9):09}"
    code = f"import subprocess\nsubprocess.Popen(['sleep', '{seconds}'])\nawait echo()"
    with running_service(tmp_path) as service, live.connected(service) as connection:
        connection.sendall(live.exec_request(service, PATH, code=code, tools=[ECHO]))
        assert live.answer_on(connection)[1]["status"] == "tool_call_required"
        assert live.is_running("sleep", seconds)
    assert live.until(lambda: not live.is_running("sleep", seconds)), "it outlived its service"
    assert "Traceback" not in service.log.read_text()


# --- the session meanwhile -------------------------------------------------------------------------------------------


async def test_the_session_is_free_while_a_program_waits(serve: Serve) -> None:
    """K16, K28: meanwhile /exec in the session uses another sandbox; the paused program's files then count as older."""
    async with serve() as service:
        caller = service.caller()
        session_id = (await caller.exec("open('both.txt', 'w').write('first')"))["session_id"]
        code = "open('both.txt', 'w').write('paused')\nopen('own.txt', 'w').write('own')\nawait echo()"
        paused = await begin(caller, code, session_id=session_id)
        assert paused["session_id"] == session_id
        between = await caller.exec(
            "print(open('both.txt').read())\nopen('both.txt', 'w').write('newer')", session_id=session_id
        )
        assert (between["session_id"], between["stdout"]) == (session_id, "first\n")
        assert len(alive(service)) == 2
        end = await resume(caller, paused)
        assert (end["session_id"], names(end)) == (session_id, ["both.txt", "own.txt"])
        assert await caller.output(end, "both.txt") == b"paused"
        after = await caller.exec("print(open('both.txt').read(), open('own.txt').read())", session_id=session_id)
        assert after["stdout"] == "newer own\n"
        assert sorted(item["filename"] for item in await caller.listing(session_id)) == ["both.txt", "own.txt"]
        assert (len(alive(service)), await paused_runs(service)) == (1, 0)


async def test_the_sandbox_goes_back_to_its_session(serve: Serve) -> None:
    """K28: if no other run came in between, the next run finds the workspace as the program left it."""
    async with serve() as service:
        caller = service.caller()
        end = (await play(caller, "import os\nos.mkdir('empty')\nawait echo()\nopen('a.txt', 'w').write('a')")).end
        sandbox = alive(service)
        code = "import os\nprint(sorted(os.listdir()))\nos.rmdir('empty')"
        assert (await caller.exec(code, session_id=end["session_id"]))["stdout"] == "['a.txt', 'empty']\n"
        assert (alive(service), len(sandbox)) == (sandbox, 1)


async def test_a_deletion_while_a_program_waits_holds(caller: Caller) -> None:
    """K41: a file that is deleted meanwhile does not reappear, unless the program wrote it again."""
    first = await caller.exec("open('a.txt', 'w').write('a')\nopen('b.txt', 'w').write('b')")
    paused = await begin(caller, "await echo()\nopen('b.txt', 'a').write('!')", session_id=first["session_id"])
    for file in first["files"]:
        assert (await caller.http.delete(f"/files/{first['session_id']}/{file['id']}")).status_code == 200
    end = await resume(caller, paused)
    assert names(end) == ["b.txt"]
    assert [item["filename"] for item in await caller.listing(first["session_id"])] == ["b.txt"]
    ran = await caller.exec("cat b.txt; ls", "bash", session_id=first["session_id"])
    assert ran["stdout"] == "b!b.txt\n"


async def test_a_program_may_end_while_it_is_waited_for(caller: Caller) -> None:
    """K27: the result of a program that ended by itself is returned by the next continuation."""
    code = "import os, threading\nthreading.Timer(0.1, lambda: os._exit(5)).start()\nprint('begun')\nawait echo()"
    paused = await begin(caller, code)
    await asyncio.sleep(0.3)  # it ends by its own clock
    end = await resume(caller, paused)
    assert (end["error"], end["stdout"]) == ("Sandbox exited with code 5", "begun\n")


async def test_a_call_that_the_program_gave_up_is_no_trouble(caller: Caller) -> None:
    """K28, K29: the program's own timeout may fire while the tool works; the late result is dropped."""
    code = """
try:
    async with asyncio.timeout(0.1):
        await echo(n=1)
except TimeoutError:
    print(await echo(n=2))
"""
    paused = await begin(caller, code)
    await asyncio.sleep(1.0)  # longer than the program's own time-out
    second = await resume(caller, paused)
    assert second["tool_calls"] == [{"id": "call_002", "name": "echo", "input": {"n": 2}}]
    assert (await resume(caller, second))["stdout"] == "{'n': 2}\n"


def results_for(paused: Json) -> list[Json]:
    """Answer with every type but text where text is expected."""
    return [{"call_id": call["id"], "is_error": True, "error_message": None} for call in paused["tool_calls"]]


async def test_an_error_without_words_is_still_an_error(caller: Caller) -> None:
    """K29, K32: ``error_message`` may be missing, ``result`` too; ``null`` is None."""
    paused = await begin(
        caller, "try:\n    await echo()\nexcept ToolExecutionError as error:\n    print(error, await echo())"
    )
    second = (await send(caller, paused["continuation_token"], results_for(paused))).json()
    end = (await send(caller, second["continuation_token"], [{"call_id": "call_002"}])).json()
    assert end["stdout"] == "The tool failed. None\n"


async def test_bash_goes_on_in_the_same_way(caller: Caller) -> None:
    """K30, K32: a continuation runs in the language of its program."""
    paused = await begin(caller, "x=$(t '{}'); echo $x; t '{\"n\": 1}'", tools("t"), lang="bash")
    assert (await resume(caller, await resume(caller, paused)))["stdout"] == '{}\n{"n":1}\n'
