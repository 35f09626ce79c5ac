"""Which session a run continues, and which languages may run there (K16, K17)."""

from __future__ import annotations

import pytest

from tests.contract.caller import Caller, names, old_ref
from tests.contract.conftest import Serve
from tests.languages import HELLO


async def test_a_session_of_an_exec_is_continued(caller: Caller) -> None:
    """K16: an explicit session continues, with its files in the workspace and the same id in the answer."""
    first = await caller.exec("echo one > one.txt", "bash")
    second = await caller.exec("cat one.txt; echo two > two.txt", "bash", session_id=first["session_id"])
    assert second["session_id"] == first["session_id"]
    assert (second["stdout"], names(second)) == ("one\n", ["two.txt"])
    assert [file["filename"] for file in await caller.listing(first["session_id"])] == ["one.txt", "two.txt"]


async def test_a_session_of_an_upload_is_continued(caller: Caller) -> None:
    """K16: the seed's flow: upload, then run in that session, without any ref."""
    uploaded = await caller.upload(("in/data.csv", b"1,2"), ("other.csv", b"3"))
    ran = await caller.exec("cat in/data.csv other.csv; echo out > out.txt", "bash", session_id=uploaded["session_id"])
    assert ran["session_id"] == uploaded["session_id"]
    assert (ran["stdout"], names(ran)) == ("1,23", ["out.txt"])
    shown = {file["filename"] for file in await caller.listing(uploaded["session_id"])}
    assert shown == {"in/data.csv", "other.csv", "out.txt"}


async def test_an_upload_into_a_session_is_there_in_its_next_run(caller: Caller) -> None:
    """K16, K34: also when its sandbox is warm; a file of the same name is replaced."""
    first = await caller.exec("echo old > a.txt", "bash")
    session_id = first["session_id"]
    added = await caller.upload(("a.txt", b"new"), ("b.txt", b"more"), session_id=session_id)
    assert added["session_id"] == session_id
    assert (await caller.exec("cat a.txt b.txt", "bash", session_id=session_id))["stdout"] == "newmore"


async def test_a_file_deleted_from_a_session_is_gone_from_its_next_run(caller: Caller) -> None:
    """K16, K41: the workspace of a warm sandbox follows the store."""
    first = await caller.exec("echo a > a.txt; echo b > b.txt", "bash")
    gone = next(file for file in first["files"] if file["name"] == "a.txt")
    await caller.http.delete(f"/files/{first['session_id']}/{gone['id']}")
    again = await caller.exec("ls", "bash", session_id=first["session_id"])
    assert again["stdout"] == "b.txt\n"
    assert "deleted_files" not in again


async def test_a_file_that_the_program_removed_stays_removed(caller: Caller) -> None:
    """K16, K20: it is neither listed nor staged again."""
    first = await caller.exec("echo a > a.txt; echo b > b.txt", "bash")
    session_id = first["session_id"]
    second = await caller.exec("rm a.txt", "bash", session_id=session_id)
    third = await caller.exec("ls", "bash", session_id=session_id)
    assert (second["deleted_files"], third["stdout"]) == (["a.txt"], "b.txt\n")
    assert [file["filename"] for file in await caller.listing(session_id)] == ["b.txt"]


@pytest.mark.parametrize("session_id", ["zV3x-9_kQw2Lr8TbYc1Ns", "x", "", "../../etc", "a" * 21, "ü" * 21, 7, None])
async def test_any_other_session_id_starts_a_new_session(caller: Caller, session_id: object) -> None:
    """K16: an unknown, expired or malformed id: 200, with a new id."""
    answer = await caller.exec("ls; echo on", "bash", session_id=session_id)
    assert answer["stdout"] == "on\n"
    assert answer["session_id"] != session_id
    assert len(answer["session_id"]) == 21


async def test_two_runs_without_a_session_share_nothing(caller: Caller) -> None:
    """K16: no id, no hint, no known user: a new session each time."""
    first = await caller.exec("echo one > one.txt", "bash")
    second = await caller.exec("ls", "bash")
    assert second["session_id"] != first["session_id"]
    assert second["stdout"] == ""


async def test_another_language_is_a_conflict(caller: Caller) -> None:
    """K17: 409 for an explicit session that another language bound; nothing runs, and the session goes on."""
    first = await caller.exec("open('a.txt', 'w').write('a')")
    session_id = first["session_id"]
    body = {"lang": "js", "code": "require('fs').unlinkSync('a.txt')", "session_id": session_id}
    refused = await caller.http.post("/exec", json=body)
    assert refused.status_code == 409
    assert refused.json()["error"]
    after = await caller.exec("import os; print(os.listdir())", session_id=session_id)
    assert after["stdout"] == "['a.txt']\n"


ALIASES = ["py python", "Python3 py", "js javascript", "javascript node", "node js", "ts typescript", "ts TypeScript"]


@pytest.mark.parametrize(("first", "then"), [pair.split() for pair in ALIASES])
async def test_another_name_of_the_language_is_no_conflict(caller: Caller, first: str, then: str) -> None:
    """K14, K17: an alias is the same language."""
    code = {"p": "print(1)", "P": "print(1)"}.get(first[0], "console.log(1)")
    session_id = (await caller.exec(code, first))["session_id"]
    again = await caller.exec(code, then, session_id=session_id)
    assert (again["session_id"], again["stdout"]) == (session_id, "1\n")


@pytest.mark.parametrize("lang", ["py", "js", "ts"])
async def test_bash_is_never_refused_and_never_binds(caller: Caller, lang: str) -> None:
    """K17: LibreChat's helpers send bash with the session of another language, before and after it."""
    started = await caller.exec("echo from bash > a.txt", "bash")
    session_id = started["session_id"]
    bound = await caller.exec(HELLO[lang], lang, session_id=session_id)
    helped = await caller.exec("cat a.txt", "sh", session_id=session_id)
    again = await caller.exec(HELLO[lang], lang, session_id=session_id)
    assert {bound["session_id"], helped["session_id"], again["session_id"]} == {session_id}
    assert (helped["stdout"], again["stdout"]) == ("from bash\n", "hello\n")


async def test_an_upload_does_not_bind_but_its_first_run_does(caller: Caller) -> None:
    """K17: the session of an upload takes the language that runs first."""
    session_id = (await caller.upload(("a.txt", b"a")))["session_id"]
    await caller.exec(HELLO["js"], "js", session_id=session_id)
    refused = await caller.http.post("/exec", json={"lang": "py", "code": "print(1)", "session_id": session_id})
    assert refused.status_code == 409


async def test_mixed_sessions_are_a_setting(serve: Serve) -> None:
    """K17: SESSION_LANGUAGE_POLICY=mixed lifts the binding."""
    async with serve(session_language_policy="mixed") as service:
        caller = service.caller()
        session_id = (await caller.exec("open('a.txt', 'w').write('a')"))["session_id"]
        code = "console.log(require('fs').readFileSync('a.txt', 'utf8'))"
        ran = await caller.exec(code, "js", session_id=session_id)
    assert (ran["session_id"], ran["stdout"]) == (session_id, "a\n")


async def test_an_implicit_session_is_never_refused(caller: Caller) -> None:
    """K17: a session that the service chose takes any language, since the client did not ask for it."""
    first = await caller.exec("open('a.txt', 'w').write('a')", user_id="u-implicit", runtime_session_hint="c-implicit")
    refs = [old_ref(first["session_id"], first["files"][0]["id"], "a.txt")]
    code = "console.log(require('fs').readFileSync('a.txt', 'utf8'))"
    for more in ({"user_id": "u-implicit"}, {"user_id": "u-implicit", "runtime_session_hint": "c-implicit"}):
        ran = await caller.exec(code, "js", files=refs, **more)
        assert ran["stdout"] == "a\n"
