"""``POST /upload/batch``: files that succeed or fail one by one (K35)."""

from __future__ import annotations

from tests.contract.caller import Caller, Json, form
from tests.contract.conftest import Serve

NESTED = ["skills/pdf/SKILL.md", "skills/pdf/scripts/a.py", "skills/Übung/a b.txt"]


async def batch(caller: Caller, files: dict[str, bytes], status: int = 200, **fields: str) -> Json:
    """Upload a batch."""
    answer = await caller.http.post(
        "/upload/batch", data=fields, files=[("file", (name, content)) for name, content in files.items()]
    )
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def test_a_batch_is_one_session_with_every_name_as_sent(caller: Caller) -> None:
    """K35: nested filenames echoed byte for byte, each with its status; counts; message ``success``."""
    answer = await batch(caller, {name: name.encode() for name in NESTED}, kind="skill", id="pdf", version="1")
    assert (answer["message"], answer["succeeded"], answer["failed"]) == ("success", 3, 0)
    assert answer["session_id"] == answer["storage_session_id"]
    assert [(file["filename"], file["status"]) for file in answer["files"]] == [(name, "success") for name in NESTED]
    for file in answer["files"]:
        assert (file["fileId"], file["name"]) == (file["id"], file["filename"])
        assert file["size"] == len(file["name"].encode())
        assert await caller.content(answer["session_id"], file["fileId"]) == file["filename"].encode()


async def test_a_name_is_echoed_even_where_we_store_another(caller: Caller) -> None:
    """K35: names are echoed as sent: ``./``, doubled slashes, ``%22``."""
    sent = ["./a.txt", "b//c.txt", 'say "hi".txt']
    headers, body = form(*((b'name="file"; filename="%b"' % name.replace('"', "%22").encode(), b"x") for name in sent))
    answer = (await caller.http.post("/upload/batch", content=body, headers=headers)).json()
    assert [file["filename"] for file in answer["files"]] == sent


async def test_a_batch_may_succeed_in_part(serve: Serve) -> None:
    """K35: a file that is too large or misnamed is an item with an error; the others are stored and usable."""
    async with serve(upload_max_bytes=10) as service:
        caller = service.caller()
        answer = await batch(caller, {"a.txt": b"fits", "big.txt": b"x" * 11, "../up.txt": b"x", "b/b.txt": b"too"})
        listed = [file["filename"] for file in await caller.listing(answer["session_id"])]
    assert (answer["message"], answer["succeeded"], answer["failed"]) == ("partial_success", 2, 2)
    assert [file["status"] for file in answer["files"]] == ["success", "error", "error", "success"]
    for item in answer["files"][1:3]:
        assert item["error"] and item["filename"] in ("big.txt", "../up.txt")
        assert "fileId" not in item
    assert listed == ["a.txt", "b/b.txt"]


async def test_a_batch_of_failures_is_an_error(serve: Serve) -> None:
    """K35: 400, message ``error``, the reason of each; nothing is stored."""
    async with serve(upload_max_bytes=10) as service:
        before = service.stored()
        answer = await batch(service.caller(), {"a.txt": b"x" * 11, "/b.txt": b"x"}, status=400)
        assert service.stored() == before
    assert (answer["message"], answer["succeeded"], answer["failed"]) == ("error", 0, 2)
    assert [item["status"] for item in answer["files"]] == ["error", "error"]


async def test_a_file_of_a_batch_goes_into_a_run(caller: Caller) -> None:
    """K35, K15: by its nested name, as a skill's files do."""
    answer = await batch(caller, {NESTED[1]: b"print(6 * 7)"}, kind="skill", id="pdf", version="1")
    ref = {
        "id": answer["files"][0]["fileId"], "storage_session_id": answer["storage_session_id"], "name": NESTED[1],
        "kind": "skill", "resource_id": "pdf", "version": 1,
    }  # fmt: skip
    assert (await caller.exec(f"python3 {NESTED[1]}", "bash", files=[ref]))["stdout"] == "42\n"
