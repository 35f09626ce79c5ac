"""Ids, file names and times (K10, K11, K12)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.contract.caller import Caller, file_named, form, names
from tests.contract.service import Service

ID = re.compile(r"[A-Za-z0-9_-]{21}")

GOOD = [
    "a.txt",
    "plots/hist.png",
    "a/b/c/d/e.csv",
    "Übersicht – 表.xlsx",
    "emoji 😀.txt",
    "with space & 100% #1?.txt",
    'say "hi".txt',
    "-rf.txt",
    "no extension",
    ".hidden",
    "semi;colon.txt",
    "x" * 251 + ".txt",
    "/".join(["d" * 127] * 3) + "/" + "f" * 128,
]
BAD = [
    "../up.txt",
    "a/../../up.txt",
    "/etc/passwd",
    "nul\0.txt",
    "back\\slash.txt",
    "new\nline.txt",
    "..",
    ".",
    "x" * 256,
    "ä" * 128,
    "/".join(["d" * 128] * 4),
]


def part(name: str, content: bytes = b"content") -> tuple[dict[str, str], bytes]:
    """Write an upload as browsers and form-data do: raw UTF-8, with ``"`` as %22 and nothing else escaped."""
    shown = name.replace('"', "%22").encode("utf-8", "surrogateescape")
    return form((b'name="file"; filename="%b"' % shown, content))


async def test_all_ids_have_the_clients_shape(caller: Caller) -> None:
    """K10: 21 characters of [A-Za-z0-9_-], for sessions and files, from runs and from both kinds of upload."""
    ran = await caller.exec("echo a > a.txt; echo b > b.txt", "bash")
    uploaded = await caller.upload(("a.txt", b"a"), ("b.txt", b"b"))
    batch = (await caller.http.post("/upload/batch", files={"file": ("a.txt", b"a")})).json()
    ids = {ran["session_id"], uploaded["session_id"], batch["session_id"]}
    ids |= {file["id"] for answer in (ran, uploaded, batch) for file in answer["files"]}
    assert len(ids) == 8
    assert all(ID.fullmatch(id_) for id_ in ids), ids


@pytest.mark.parametrize("bad", ["x", "a" * 20, "a" * 22, "a" * 20 + ".", "%2e%2e", "%2e%2e%2f" * 7, "a" * 20 + "%0a"])
async def test_what_is_no_id_names_nothing(caller: Caller, bad: str) -> None:
    """K10: an id of another shape is a plain 404 everywhere, whatever path it would make."""
    ref = await caller.upload_one("a.txt")
    session_id, file_id = ref["session_id"], ref["id"]
    for path in (
        f"/files/{bad}",
        f"/download/{bad}/{file_id}",
        f"/download/{session_id}/{bad}",
        f"/sessions/{session_id}/objects/{bad}",
        f"/sessions/{bad}/objects/{file_id}",
    ):
        answer = await caller.http.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found"), path


@pytest.mark.parametrize("name", GOOD)
async def test_a_name_survives_upload_run_and_download(caller: Caller, name: str) -> None:
    """K11: nested and Unicode names are the same in the answer, the listing, the workspace and the download."""
    headers, body = part(name)
    uploaded = (await caller.http.post("/upload", content=body, headers=headers)).json()
    assert [file["filename"] for file in uploaded["files"]] == [name]
    session_id = uploaded["session_id"]
    assert [file["filename"] for file in await caller.listing(session_id)] == [name]
    code = "import sys\nwith open(sys.argv[1], 'a') as file:\n    file.write(' and more')"
    ran = await caller.exec(code, args=[name], session_id=session_id)
    assert (ran["stderr"], names(ran)) == ("", [name])
    changed = file_named(ran, name)
    download = await caller.http.get(f"/download/{session_id}/{changed['id']}")
    assert download.content == b"content and more"
    assert quote(PurePosixPath(name).name, safe="") in download.headers["content-disposition"]


@pytest.mark.parametrize("name", BAD)
async def test_a_name_that_is_no_place_in_the_workspace_is_refused(service: Service, caller: Caller, name: str) -> None:
    """K11: absolute, .., NUL, backslash, control characters, over 255 bytes a segment or 512 in all: 400."""
    before = service.stored()
    headers, body = part(name)
    answer = await caller.http.post("/upload", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert service.stored() == before


@pytest.mark.parametrize("name", BAD)
async def test_a_ref_with_such_a_name_is_skipped_and_named(caller: Caller, name: str) -> None:
    """K11, K15: such a name in a ref costs only that file; stderr reports it, and the run continues."""
    ref = await caller.upload_one("a.txt")
    answer = await caller.exec("ls -A; echo on", "bash", files=[{**ref, "name": name}])
    assert answer["stdout"] == "on\n"
    assert "[sandbox]" in answer["stderr"] and "skipped" in answer["stderr"]


@given(name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
@example("a//b/./c.txt")
@example("/mnt/data/in.txt")
@example("a/")
@example("%2e%2e/%00")
@settings(max_examples=60, deadline=None)
async def test_whatever_the_name_the_path_is_relative_and_safe(caller: Caller, name: str) -> None:
    """K11: an upload of any name at all is refused with 400, or listed below a clean relative path."""
    headers, body = part(name)
    answer = await caller.http.post("/upload", content=body, headers=headers)
    if answer.status_code == 400:
        return
    assert answer.status_code == 200
    (file,) = await caller.listing(answer.json()["session_id"])
    path = file["filename"]
    assert not {"", ".", ".."} & set(path.split("/"))
    assert not {"\\", "\0"} & set(path)
    assert len(path.encode()) <= 512


async def test_times_are_utc_and_current(caller: Caller) -> None:
    """K12: ``lastModified`` is ISO 8601 ending in Z, of just now: a client counts 23 hours from there."""
    earliest = datetime.now(UTC) - timedelta(seconds=1)
    ref = await caller.upload_one("a.txt")
    session_id, file_id = ref["session_id"], ref["id"]
    probe = (await caller.http.get(f"/sessions/{session_id}/objects/{file_id}")).json()
    shown = [
        probe["lastModified"],
        (await caller.listing(session_id))[0]["lastModified"],
        (await caller.listing(session_id, detail="normalized"))[0]["lastModified"],
    ]
    assert len(set(shown)) == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", shown[0])
    assert earliest <= datetime.fromisoformat(shown[0]) <= datetime.now(UTC)
