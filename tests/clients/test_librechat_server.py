"""What LibreChat's own server asks of the service: uploads, liveness probes, downloads, deletions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.clients.client import Client, Json
from tests.clients.test_real_clients import execute

ID = re.compile(r"[A-Za-z0-9_-]{21}")
CONTENT = "a,b\n1,2\n"
SKILL: Json = {"kind": "skill", "id": "skill-1", "version": 3}
AGENT: Json = {"kind": "agent", "id": "agent_1"}
USER: Json = {"kind": "user", "id": "user-1"}


@pytest.fixture
def csv(tmp_path: Path) -> Json:
    """A file on LibreChat's disk, to be uploaded by its name."""
    path = tmp_path / "upload.bin"
    path.write_text(CONTENT)
    return {"path": str(path), "filename": "übung 1.csv"}


def uploaded(client: Client, file: Json, **identity: object) -> tuple[str, str]:
    """Upload one file as LibreChat does; return the ids of session and file, from where it reads them."""
    answer = client.server("upload", files=[file], **identity).value
    assert answer["message"] == "success"
    sid = answer["session_id" if client.generation == "old" else "storage_session_id"]
    fid = answer["files"][0]["fileId"]
    assert answer["files"][0]["filename"] == file["filename"]
    assert ID.fullmatch(sid)
    assert ID.fullmatch(fid)
    return sid, fid


def seeded(sid: str, fid: str, name: str, identity: Json) -> Json:
    """Make of an uploaded file the session that LibreChat starts a conversation with."""
    file = {**identity, "id": fid, "resource_id": identity["id"], "storage_session_id": sid, "name": name}
    return {"execute_code": {"session_id": sid, "files": [file]}}


def is_alive(last_modified: str | None) -> bool:
    """Decide as LibreChat does (K12): younger than 23 hours."""
    if last_modified is None:
        return False
    assert last_modified.endswith("Z")
    return datetime.now(UTC) - datetime.fromisoformat(last_modified) < timedelta(hours=23)


@pytest.mark.parametrize("from_bucket", [False, True], ids=["with length", "in chunks"])
def test_an_upload_is_an_input_of_the_next_run_old(old_client: Client, csv: Json, from_bucket: bool) -> None:
    """K12, K15, K34, K38: upload, probe by listing, and run with the ref that LibreChat makes of it."""
    sid, fid = uploaded(old_client, {**csv, "fromBucket": from_bucket}, entityId="agent_1")
    assert is_alive(old_client.server("lastModified", sid=sid, fid=fid, entityId="agent_1").value)
    ref = {"id": fid, "session_id": sid, "name": csv["filename"]}
    params = {"files": [ref], "user_id": "user-1", "entity_id": "agent_1"}
    program = "print(open('/mnt/data/übung 1.csv').read())"
    played = old_client.converse([execute("py", program)], params=params)
    assert played.last.text == f"stdout:\n{CONTENT.strip()}"


@pytest.mark.parametrize("identity", [USER, AGENT, SKILL], ids=lambda identity: identity["kind"])
def test_an_upload_is_an_input_of_the_next_run_new(new_client: Client, csv: Json, identity: Json) -> None:
    """K12, K15, K34, K39: upload, probe the object, and run with the session that LibreChat seeds with it."""
    sid, fid = uploaded(new_client, {**csv, "fromBucket": True}, **identity)
    assert is_alive(new_client.server("lastModified", sid=sid, fid=fid, **identity).value)
    session = seeded(sid, fid, "in.csv", identity)
    played = new_client.converse([("bash_tool", {"command": "cat in.csv"})], sessions=session)
    assert played.last.text == f"stdout:\n{CONTENT.strip()}"
    assert played.sent[0]["json"]["files"][0]["kind"] == identity["kind"]


def test_a_batch_keeps_its_paths(new_client: Client, csv: Json) -> None:
    """K11, K35: names come back byte for byte, in one session, and the probe tells them again."""
    names = ["skills/pdf/SKILL.md", "skills/pdf/scripts/größe.py", 'a"b.txt', "plain"]
    files = [{**csv, "filename": name} for name in names]
    batch = new_client.server("uploadBatch", files=files, **SKILL).value
    assert (batch["message"], batch["succeeded"], batch["failed"]) == ("success", 4, 0)
    assert [file["filename"] for file in batch["files"]] == names
    assert {file["status"] for file in batch["files"]} == {"success"}
    [sid] = {batch["storage_session_id"], batch["session_id"]}
    told = new_client.server("object", sid=sid, fid=batch["files"][1]["fileId"], **SKILL).value
    assert told["originalFilename"] == names[1]


def test_read_only_files_are_never_outputs(new_client: Client, csv: Json) -> None:
    """K20: a program may scribble over a skill's file; what LibreChat keeps is the skill's own."""
    file = {**csv, "filename": "s/a.csv"}
    batch = new_client.server("uploadBatch", files=[file], readOnly=True, **SKILL).value
    sid, fid = batch["storage_session_id"], batch["files"][0]["fileId"]
    session = seeded(sid, fid, "s/a.csv", SKILL)
    scribble = "echo mine > s/a.csv; rm -f s/a.csv; echo mine > s/a.csv"
    played = new_client.converse([("bash_tool", {"command": scribble})], sessions=session)
    assert played.remembered["s/a.csv"]["id"] == fid
    assert new_client.server("downloadBuffer", sid=sid, fid=fid, **SKILL).content == CONTENT.encode()


def test_a_quote_in_a_name_spoils_no_upload(old_client: Client, csv: Json) -> None:
    """K11: form-data before 4.0.6 writes a quote in a file name as it is; the file arrives all the same."""
    answer = old_client.server("upload", files=[{**csv, "filename": 'my "best" data.csv'}]).value
    assert answer["message"] == "success"
    sid, fid = answer["session_id"], answer["files"][0]["fileId"]
    assert old_client.server("downloadBuffer", sid=sid, fid=fid).content == CONTENT.encode()


def test_listings_serve_both_generations(client: Client, csv: Json) -> None:
    """K38: name begins with session and file id, the path is in the metadata, and both ids are told."""
    sid, fid = uploaded(client, csv, **(USER if client.generation == "new" else {}))
    for detail in ("full", "summary"):
        [item] = client.server("listing", sid=sid, detail=detail).value
        assert item["name"].split("/")[0] == sid
        assert item["name"].split("/")[1].split(".")[0] == fid == item["fileId"]
        assert item["metadata"]["original-filename"] == csv["filename"]


@pytest.mark.parametrize("verb", ["downloadBuffer", "downloadStream"])
def test_downloads_carry_the_bytes_and_safe_headers(client: Client, csv: Json, verb: str) -> None:
    """K40: bytes and length are those of the file, and nothing in the headers lets a browser run it."""
    sid, fid = uploaded(client, csv, **(USER if client.generation == "new" else {}))
    download = client.server(verb, sid=sid, fid=fid, kind="user", id="user-1")
    assert download.content == CONTENT.encode()
    headers = download.value["headers"]
    assert headers["content-disposition"].startswith("attachment; filename*=UTF-8''%C3%BCbung%201.csv")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize("verb", ["downloadBuffer", "downloadStream", "lastModified"])
def test_what_does_not_exist_is_a_404(client: Client, verb: str) -> None:
    """K38, K39, K40, K42: then LibreChat uploads the file again; the body is JSON with an `error`."""
    answer = client.server(verb, sid="A" * 21, fid="B" * 21, kind="user", id="user-1")
    assert answer.status == 404
    assert isinstance(answer.error["error"], str)


@pytest.mark.parametrize("route", ["files", "objects"])
def test_a_deleted_file_is_gone(client: Client, csv: Json, route: str) -> None:
    """K41: deleted once, it is a 404 for every later deletion, probe and download."""
    identity = USER if client.generation == "new" else {}
    sid, fid = uploaded(client, csv, **identity)
    place: Json = {"sid": sid, "fid": fid, **identity}
    deleted = client.server("delete", route=route, **place).value
    assert deleted == {"message": "File deleted successfully", "session_id": sid, "fileId": fid}
    assert client.server("delete", route=route, **place).status == 404
    assert client.server("downloadBuffer", **place).status == 404
    assert not is_alive(client.server("lastModified", **place).value)


def test_too_large_an_upload_is_refused(client: Client, tmp_path: Path) -> None:
    """K36: over the limit of 20 MiB it is a 413 with a JSON body, for both ways of sending."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(24 * 1024 * 1024))
    for from_bucket in (False, True):
        file = {"path": str(path), "filename": "large.bin", "fromBucket": from_bucket}
        answer = client.server("upload", files=[file], **(USER if client.generation == "new" else {}))
        assert (answer.status, isinstance(answer.error, dict)) == (413, True)
