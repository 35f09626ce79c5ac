"""If several files claim one path in the workspace, the newest is placed, whatever the order (K15)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest

from librechat_code_interpreter.core.session import Record, now
from tests.contract.caller import Ref, file_named, new_ref, old_ref
from tests.contract.service import Service

MakeRef = Callable[[str, str, str], Ref]

NOTE = "[sandbox] Older versions were not placed, because a newer file takes their place: "


async def made_ago(service: Service, ref: Ref, minutes: float) -> Ref:
    """Date a stored file back, and return its ref."""

    def apply(record: Record) -> None:
        then = now() - timedelta(minutes=minutes)
        record.files[ref["id"]] = record.files[ref["id"]].model_copy(update={"modified": then})

    await service.parts.store.change(ref["session_id"], apply)
    return ref


async def uploaded(service: Service, content: bytes, name: str, minutes_ago: float) -> Ref:
    """Upload a file and date it back."""
    return await made_ago(service, await service.caller().upload_one(name, content), minutes_ago)


@pytest.mark.parametrize("make", [old_ref, new_ref])
async def test_the_newest_of_several_refs_is_placed_in_every_order(service: Service, make: MakeRef) -> None:
    """K15: LibreChat names the newest file first and old uploads last; others do it the other way round."""
    contents = (b"old", b"older", b"newest")
    refs = [
        await uploaded(service, content, f"stored-{age}.md", age)
        for content, age in zip(contents, (10, 20, 1), strict=True)
    ]
    named = [make(ref["session_id"], ref["id"], "notes.md") for ref in refs]
    for order in itertools.permutations(named):
        ran = await service.caller().exec("cat notes.md", "bash", files=list(order))
        assert (ran["stdout"], ran["stderr"]) == ("newest", f"{NOTE}'notes.md'.\n")


async def test_an_edit_survives_the_old_upload(service: Service) -> None:
    """K15: the edited output is placed, although the original upload is named last."""
    upload = await uploaded(service, b"draft", "notes.md", 5)
    edited = await service.caller().exec("echo -n edited > notes.md", "bash", files=[upload])
    output = old_ref(edited["session_id"], file_named(edited, "notes.md")["id"], "notes.md")
    ran = await service.caller().exec("cat notes.md", "bash", files=[output, upload])
    assert ran["stdout"] == "edited"


async def test_a_corrected_file_replaces_what_a_program_made_of_the_wrong_one(service: Service) -> None:
    """K15: a file uploaded again under its name is placed, also over a later version of the first upload."""
    wrong = await uploaded(service, b"wrong", "data.csv", 30)
    changed = await service.caller().exec("echo -n changed > data.csv", "bash", files=[wrong])
    output = old_ref(changed["session_id"], file_named(changed, "data.csv")["id"], "data.csv")
    await made_ago(service, output, 20)
    corrected = await service.caller().upload_one("data.csv", b"right")
    ran = await service.caller().exec("cat data.csv", "bash", files=[corrected, output, wrong])
    assert ran["stdout"] == "right"


@pytest.mark.parametrize("known", [{}, {"user_id": "newest-1"}])
async def test_a_newer_file_of_the_session_is_kept(service: Service, known: dict[str, str]) -> None:
    """K15, K16: in a session that the client names, or that its refs choose, an old upload replaces nothing."""
    caller = service.caller()
    upload = await uploaded(service, b"draft", "notes.md", 5)
    edited = await caller.exec("echo -n edited > notes.md; echo a > a.txt", "bash", files=[upload], **known)
    other = old_ref(edited["session_id"], file_named(edited, "a.txt")["id"], "a.txt")
    session = {} if known else {"session_id": edited["session_id"]}
    ran = await caller.exec("cat notes.md", "bash", files=[other, upload], **known, **session)
    assert (ran["session_id"], ran["stdout"]) == (edited["session_id"], "edited")
    assert ran["stderr"] == f"{NOTE}'notes.md'.\n"


async def test_a_file_that_gave_way_is_not_lost(service: Service) -> None:
    """K15: it is downloaded as before, and placed again once the newer one is deleted."""
    caller = service.caller()
    made = await caller.exec("echo -n own > notes.md", "bash")
    own = await made_ago(service, old_ref(made["session_id"], made["files"][0]["id"], "notes.md"), 5)
    newer = await caller.upload_one("notes.md", b"newer")
    session_id = made["session_id"]
    assert (await caller.exec("cat notes.md", "bash", session_id=session_id, files=[newer]))["stdout"] == "newer"
    assert await caller.content(session_id, own["id"]) == b"own"
    await caller.http.delete(f"/files/{newer['session_id']}/{newer['id']}")
    ran = await caller.exec("cat notes.md", "bash", session_id=session_id, files=[newer])
    assert (ran["stdout"], ran["stderr"].count("was not found")) == ("own", 1)


async def test_of_files_of_one_time_the_later_ref_is_placed(service: Service) -> None:
    """K15: a tie is decided by the order of the request."""
    refs = [await service.caller().upload_one(f"{name}.md", name.encode()) for name in ("first", "second")]
    then = now() - timedelta(minutes=1)
    for ref in refs:
        await service.parts.store.change(
            ref["session_id"],
            lambda record, ref=ref: record.files.update(  # type: ignore[misc]  # mypy cannot infer this lambda
                {ref["id"]: record.files[ref["id"]].model_copy(update={"modified": then})}
            ),
        )
    first, second = ({**ref, "name": "same.md"} for ref in refs)
    for order in ([first, second], [second, first]):
        ran = await service.caller().exec("cat same.md", "bash", files=order)
        assert ran["stdout"] == ("second" if order[-1] is second else "first")


async def test_of_a_file_and_a_directory_the_newest_is_placed(service: Service) -> None:
    """K15: prefix conflicts never fail a run; only files that conflict with a newer one are skipped."""
    show = 'find . -type f | sort | while read -r f; do echo "$f: $(cat "$f")"; done'
    below = await uploaded(service, b"below", "a/b/c.txt", 2)
    file = await uploaded(service, b"file", "a", 3)
    beside = await uploaded(service, b"beside", "a/d.txt", 4)
    for order in itertools.permutations([below, file, beside]):
        ran = await service.caller().exec(show, "bash", files=list(order))
        assert ran["stdout"] == "./a/b/c.txt: below\n./a/d.txt: beside\n"
        assert ran["stderr"] == f"{NOTE}'a'.\n"
    newest = await uploaded(service, b"newest", "a", 1)
    for order in itertools.permutations([below, newest, beside]):
        ran = await service.caller().exec(show, "bash", files=list(order))
        assert (ran["stdout"], ran["stderr"].count("\n")) == ("./a: newest\n", 1)
        assert "'a/b/c.txt'" in ran["stderr"] and "'a/d.txt'" in ran["stderr"]


async def test_one_file_named_twice_is_no_conflict(service: Service) -> None:
    """K15: a repeated ref, or the session's own file among the refs, causes no note."""
    caller = service.caller()
    made = await caller.exec("echo -n own > notes.md", "bash")
    ref = old_ref(made["session_id"], made["files"][0]["id"], "notes.md")
    ran = await caller.exec("cat notes.md", "bash", session_id=made["session_id"], files=[ref, ref])
    assert (ran["stdout"], ran["stderr"]) == ("own", "")


async def test_many_files_that_gave_way_are_told_in_one_short_line(service: Service) -> None:
    """K15: twenty are named on stderr, the rest is counted."""
    names = [f"f{number:02}.txt" for number in range(25)]
    older = await service.caller().upload(*[(name, b"older") for name in names])
    newer = await service.caller().upload(*[(name, b"newer") for name in names])
    refs = [
        old_ref(answer["session_id"], file["fileId"], file["filename"])
        for answer in (newer, older)
        for file in answer["files"]
    ]
    for ref in refs[25:]:
        await made_ago(service, ref, 5)
    ran = await service.caller().exec("cat *.txt", "bash", files=refs)
    assert ran["stdout"] == "newer" * 25
    assert ran["stderr"].count("\n") == 1 and ran["stderr"].count("'f") == 20 and "and 5 more" in ran["stderr"]


async def test_a_program_with_tools_gets_the_newest_too(service: Service) -> None:
    """K15, K27: ``/exec/programmatic`` places files by the same rule."""
    old = await uploaded(service, b"old", "notes.md", 5)
    new = await service.caller().upload_one("notes.md", b"new")
    body = {"code": "print(open('notes.md').read())", "tools": [], "files": [new, old]}
    answer = (await service.caller().http.post("/exec/programmatic", json=body)).json()
    assert (answer["status"], answer["stdout"]) == ("completed", "new\n")
