"""Files that go into a run and files that come out of it (K15, K20)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from librechat_code_interpreter.core.ids import new_id
from tests.contract.caller import Caller, Ref, file_named, names, new_ref, old_ref, refs_to

MakeRef = Callable[[str, str, str], Ref]

SHOW_ALL = 'find . -type f | sort | while read -r f; do echo "$f: $(cat "$f")"; done'


async def shown(caller: Caller, *refs: Ref) -> tuple[str, str]:
    """Run with these refs; return the workspace's files, and stderr."""
    answer = await caller.exec(SHOW_ALL, "bash", files=list(refs))
    return answer["stdout"], answer["stderr"]


@pytest.mark.parametrize("make", [old_ref, new_ref])
async def test_refs_of_both_generations_are_placed(caller: Caller, make: MakeRef) -> None:
    """K15: {id, session_id, name} and {id, storage_session_id, name, kind, ...} alike."""
    ref = await caller.upload_one("data.csv", b"1,2")
    assert await shown(caller, make(ref["session_id"], ref["id"], "data.csv")) == ("./data.csv: 1,2\n", "")


async def test_the_requested_name_wins_over_the_stored_one(caller: Caller) -> None:
    """K15: a file is placed where the ref says; missing directories are made."""
    ref = await caller.upload_one("stored.csv", b"1,2")
    assert await shown(caller, {**ref, "name": "in/deep/asked.csv"}) == ("./in/deep/asked.csv: 1,2\n", "")


async def test_an_absolute_name_inside_the_workspace_is_understood(caller: Caller) -> None:
    """K13, K15: /mnt/data/x and /workspace/x are the relative x."""
    ref = await caller.upload_one("stored.csv", b"1,2")
    placed = await shown(caller, {**ref, "name": "/mnt/data/a.csv"}, {**ref, "name": "/workspace/b.csv"})
    assert placed == ("./a.csv: 1,2\n./b.csv: 1,2\n", "")


@pytest.mark.parametrize(
    "bad",
    [
        {"id": new_id()},
        {"session_id": new_id()},
        {"session_id": "", "storage_session_id": None},
        {"id": "../../etc/passwd"},
        {"session_id": "../.."},
        {"id": None},
    ],
)
async def test_a_ref_to_nothing_is_skipped_and_named(caller: Caller, bad: Ref) -> None:
    """K15: missing, expired or misspelt: named on stderr, and the run goes on with the other files."""
    good = await caller.upload_one("good.csv", b"1")
    gone = {**await caller.upload_one("x.csv"), "name": "gone.csv", **bad}
    stdout, stderr = await shown(caller, gone, good)
    assert stdout == "./good.csv: 1\n"
    assert stderr.startswith("[sandbox] ") and "gone.csv" in stderr and stderr.count("\n") == 1


async def test_a_deleted_file_is_skipped_and_named(caller: Caller) -> None:
    """K15, K41: a ref to what was deleted behaves like one to what never was."""
    ref = await caller.upload_one("gone.csv")
    await caller.http.delete(f"/files/{ref['session_id']}/{ref['id']}")
    stdout, stderr = await shown(caller, ref)
    assert (stdout, "gone.csv" in stderr) == ("", True)


@pytest.mark.parametrize("name", ["../escape.txt", "/etc/passwd", "a/../../b", "..", ""])
async def test_a_name_that_escapes_is_skipped_and_named(caller: Caller, name: str) -> None:
    """K15: nothing is written outside the workspace; stderr names the ref, the run continues."""
    ref = await caller.upload_one("x.csv", b"1")
    stdout, stderr = await shown(caller, {**ref, "name": name}, {**ref, "name": "kept.csv"})
    assert stdout == "./kept.csv: 1\n"
    assert stderr.startswith("[sandbox] ") and repr(name) in stderr


@pytest.mark.parametrize("name", ["a", "a/b", "link", "link/x", "d/e/f", "d/e/f/g"])
async def test_a_ref_takes_the_place_of_a_file_or_link_in_the_session(caller: Caller, name: str) -> None:
    """K15: whatever the program made at a path, the ref's bytes replace it, and no link is followed."""
    first = await caller.exec("echo old > a; mkdir -p d/e; echo old > d/e/f; ln -s a link", "bash")
    ref = {**await caller.upload_one("x", b"new"), "name": name}
    ran = await caller.exec(f"cat '{name}'", "bash", session_id=first["session_id"], files=[ref])
    assert (ran["stdout"], ran["code"]) == ("new", 0)


@pytest.mark.parametrize("name", ["d", "d/e", "empty"])
async def test_a_ref_takes_the_place_of_a_directory_in_the_session(caller: Caller, name: str) -> None:
    """K15: a ref replaces a directory of an earlier run, in a warm sandbox as in a new one."""
    first = await caller.exec("mkdir -p d/e; echo old > d/e/f; mkdir -p empty/dir", "bash")
    ref = {**await caller.upload_one("x", b"new"), "name": name}
    ran = await caller.exec(f"cat '{name}'", "bash", session_id=first["session_id"], files=[ref])
    assert (ran["stdout"], ran["code"]) == ("new", 0)


async def test_a_file_for_which_there_is_no_room_is_named_and_not_there_in_part(caller: Caller) -> None:
    """K15: a full workspace costs the file, not the run; no truncated copy is left."""
    full = await caller.exec("head -c 2G /dev/zero > big 2>/dev/null", "bash")
    ref = await caller.upload_one("in.csv", b"1,2\n" * 5000)
    ran = await caller.exec("ls; cat in.csv", "bash", session_id=full["session_id"], files=[ref])
    if ran["stdout"] == "big\nin.csv\n" + "1,2\n" * 5000:
        return
    assert ran["stdout"] == "big\n"
    assert "[sandbox]" in ran["stderr"] and "in.csv" in ran["stderr"]


@pytest.mark.parametrize("files", [None, []])
async def test_no_refs_are_fine(caller: Caller, files: list[Ref] | None) -> None:
    """K15: ``files`` may be null or empty."""
    assert (await caller.exec("echo on", "bash", files=files))["stdout"] == "on\n"


async def test_an_empty_file_and_a_large_one_arrive_whole(caller: Caller) -> None:
    """K15, K20: 0 bytes and 8 MiB, in and out."""
    large = bytes(range(256)) * 32768
    uploaded = await caller.upload(("empty", b""), ("large", large))
    refs = [old_ref(uploaded["session_id"], file["id"], file["filename"]) for file in uploaded["files"]]
    ran = await caller.exec("cp empty empty2; cp large large2", "bash", files=refs)
    assert names(ran) == ["empty2", "large2"]
    assert await caller.output(ran, "empty2") == b""
    assert await caller.output(ran, "large2") == large


async def test_outputs_are_what_was_created_or_changed(caller: Caller) -> None:
    """K20: with both session names, downloadable at once by either; what was only read is not listed."""
    changed, read = await caller.upload_one("changed.txt", b"a"), await caller.upload_one("read.txt", b"b")
    ran = await caller.exec(
        "cat read.txt > made.txt; echo more >> changed.txt; mkdir plots; echo p > plots/p.txt",
        "bash",
        files=[changed, read],
    )
    assert names(ran) == ["changed.txt", "made.txt", "plots/p.txt"]
    for file in ran["files"]:
        assert file["session_id"] == file["storage_session_id"] == ran["session_id"]
        assert not [key for key, value in file.items() if value is None]
    assert await caller.output(ran, "plots/p.txt") == b"p\n"


@pytest.mark.parametrize("make", [old_ref, new_ref])
async def test_a_changed_input_is_a_new_version(caller: Caller, make: MakeRef) -> None:
    """K20: the same name, a new id, ``modified_from`` with the old one, whose bytes are unchanged."""
    ref = await caller.upload_one("data.txt", b"old")
    session_id, file_id = ref["session_id"], ref["id"]
    ran = await caller.exec("echo -n new > data.txt", "bash", files=[make(session_id, file_id, "data.txt")])
    version = file_named(ran, "data.txt")
    assert version["modified_from"] == {"id": file_id, "storage_session_id": session_id}
    assert version["id"] != file_id
    assert await caller.output(ran, "data.txt") == b"new"
    assert await caller.content(session_id, file_id) == b"old"


async def test_a_new_file_is_a_version_of_nothing(caller: Caller) -> None:
    """K19, K20: a field without a value is left out."""
    ran = await caller.exec("echo a > a.txt", "bash")
    assert "modified_from" not in file_named(ran, "a.txt")


@pytest.mark.parametrize("make", [old_ref, new_ref])
@pytest.mark.parametrize("touch", ["cat data.txt", "chmod 600 data.txt", "true"])
async def test_an_unchanged_input_is_not_an_output(caller: Caller, make: MakeRef, touch: str) -> None:
    """K20: a file that was read, made private, or ignored keeps its id."""
    ref = await caller.upload_one("data.txt", b"old")
    ran = await caller.exec(touch, "bash", files=[make(ref["session_id"], ref["id"], "data.txt")])
    assert ran["files"] == []
    assert "deleted_files" not in ran


async def test_a_rewrite_of_the_same_size_and_time_is_noticed(caller: Caller) -> None:
    """K20: a program that restores the modification time does not hide its change."""
    ref = await caller.upload_one("data.txt", b"old")
    ran = await caller.exec("touch -r data.txt t; echo -n new > data.txt; touch -r t data.txt", "bash", files=[ref])
    assert await caller.output(ran, "data.txt") == b"new"


async def test_a_read_only_input_is_never_an_output(caller: Caller) -> None:
    """K20: an input that was changed nevertheless is not delivered, and the next run gets the stored one."""
    ref = await caller.upload_one("skill.txt", b"given", read_only="true")
    ran = await caller.exec("echo mine >> skill.txt; echo a > a.txt", "bash", files=[ref])
    assert names(ran) == ["a.txt"]
    again = await caller.exec("cat skill.txt", "bash", files=[ref], session_id=ran["session_id"])
    assert again["stdout"] == "given"


async def test_deleted_inputs_are_told(caller: Caller) -> None:
    """K20: ``deleted_files`` names them; the stored bytes stay readable by id."""
    kept, gone = await caller.upload_one("kept.txt", b"k"), await caller.upload_one("d/gone.txt", b"g")
    ran = await caller.exec("rm d/gone.txt; touch own; rm own", "bash", files=[kept, gone])
    assert ran["deleted_files"] == ["d/gone.txt"]
    assert ran["files"] == []
    assert await caller.content(gone["session_id"], gone["id"]) == b"g"


async def test_a_renamed_input_is_gone_and_made(caller: Caller) -> None:
    """K20: under its new name it is an output, under its old one deleted."""
    ref = await caller.upload_one("a.txt", b"a")
    ran = await caller.exec("mv a.txt b.txt", "bash", files=[ref])
    assert (names(ran), ran["deleted_files"]) == (["b.txt"], ["a.txt"])


async def test_outputs_go_into_the_next_call(caller: Caller) -> None:
    """K15, K20: outputs of one run are inputs of the next, in another language and another session."""
    first = await caller.exec("open('result.txt', 'w').write('42')")
    code = "console.log(require('fs').readFileSync('result.txt', 'utf8'))"
    second = await caller.exec(code, "js", files=refs_to(first))
    assert second["stdout"] == "42\n"
    assert second["session_id"] != first["session_id"]


async def test_files_that_gave_way_to_a_ref_come_back_without_it(caller: Caller) -> None:
    """K15, K16: a run whose ref took the place of a directory leaves the session's own files as they were."""
    first = await caller.exec("import os; os.mkdir('d'); open('d/own', 'w').write('mine')")
    ref = await caller.upload_one("d", b"new")
    given = {"id": ref["id"], "session_id": ref["session_id"], "name": "d"}
    second = await caller.exec("print(open('d').read())", session_id=first["session_id"], files=[given])
    assert second["stdout"] == "new\n"
    third = await caller.exec("print(open('d/own').read())", session_id=first["session_id"])
    assert (third["stdout"], third["stderr"]) == ("mine\n", "")
