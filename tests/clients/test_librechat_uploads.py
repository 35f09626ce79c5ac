"""What LibreChat's own server uploads is there for the programs that its users run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.client import Client, Json, execute
from tests.clients.uploading import AGENT, CONTENT, SKILL, USER, is_alive, seeded, uploaded

ways = pytest.mark.parametrize("from_bucket", [False, True], ids=["with length", "in chunks"])


@ways
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


@pytest.fixture
def large(tmp_path: Path) -> Json:
    """A file somewhat over the limit of 20 MiB."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(24 * 1024 * 1024))
    return {"path": str(path), "filename": "large.bin"}


@ways
def test_too_large_an_upload_is_refused(old_client: Client, large: Json, from_bucket: bool) -> None:
    """K36: over the limit of 20 MiB it is a 413 with a JSON body."""
    answer = old_client.server("upload", files=[{**large, "fromBucket": from_bucket}])
    assert (answer.status, isinstance(answer.error, dict)) == (413, True)


@ways
def test_the_refusal_reaches_who_keeps_no_connection(new_client: Client, large: Json, from_bucket: bool) -> None:
    """K36: new releases send `Connection: close`, and still get the 413, not a reset while they write.

    A server that closes before it has read what is under way makes the kernel reset the connection, which
    races with the answer: hence several times.
    """
    for _ in range(5):
        answer = new_client.server("upload", files=[{**large, "fromBucket": from_bucket}], **USER)
        assert (answer.status, isinstance(answer.error, dict)) == (413, True)
