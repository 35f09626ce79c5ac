"""Listing, probing, downloading and deleting files (K38-K41)."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from librechat_code_interpreter.core.ids import new_id
from tests.contract.caller import Caller, Ref
from tests.contract.service import Service

NAME = "plots/Übersicht 1.png"
DETAILS = [None, "full", "summary", "normalized", "whatever", ""]


async def uploaded(caller: Caller, name: str = NAME, content: bytes = b"0123456789") -> Ref:
    """Upload one file."""
    return await caller.upload_one(name, content)


@pytest.mark.parametrize("detail", [None, "full", "summary", "whatever"])
async def test_a_listing_serves_all_clients_at_once(caller: Caller, detail: str | None) -> None:
    """K38: a bare array of items with every key that a release reads, whatever the ``detail``."""
    ref = await uploaded(caller)
    session_id, file_id = ref["session_id"], ref["id"]
    (item,) = await caller.listing(session_id, **({} if detail is None else {"detail": detail}))
    assert re.fullmatch(r"\S+Z", item.pop("lastModified"))
    assert item.pop("etag")
    assert item == {
        "name": f"{session_id}/{file_id}.png",
        "id": file_id,
        "fileId": file_id,
        "session_id": session_id,
        "storage_session_id": session_id,
        "filename": NAME,
        "size": 10,
        "contentType": "image/png",
        "metadata": {"content-type": "image/png", "original-filename": NAME},
    }


async def test_the_file_id_can_be_cut_out_of_the_name(caller: Caller) -> None:
    """K38: as v0.7.8 to v0.8.1 do: ``name.split('/')[1].split('.')[0]``, also for odd endings."""
    for name in ("a", "a.tar.gz", ".hidden", "a.b c", "d.ir/a", "a.", "ü.ü"):
        ref = await uploaded(caller, name)
        (item,) = await caller.listing(ref["session_id"], detail="full")
        assert item["name"].split("/")[1].split(".")[0] == ref["id"], name
        assert item["name"].startswith(f"{ref['session_id']}/{ref['id']}")


async def test_simple_listings_are_strings(caller: Caller) -> None:
    """K38: ``detail=simple``."""
    ref = await uploaded(caller)
    answer = await caller.http.get(f"/files/{ref['session_id']}?detail=simple")
    assert answer.json() == [f"{ref['session_id']}/{ref['id']}.png"]


async def test_normalized_listings_are_flat(caller: Caller) -> None:
    """K38: ``detail=normalized``: the path is the name."""
    ref = await uploaded(caller)
    (item,) = await caller.listing(ref["session_id"], detail="normalized")
    assert item.pop("lastModified").endswith("Z")
    assert item == {
        "id": ref["id"],
        "name": NAME,
        "storage_session_id": ref["session_id"],
        "size": 10,
        "contentType": "image/png",
    }


@pytest.mark.parametrize("detail", DETAILS)
async def test_a_listing_of_no_session_is_not_found(caller: Caller, detail: str | None) -> None:
    """K38: 404 in JSON for every ``detail``."""
    query = "" if detail is None else f"?detail={detail}"
    answer = await caller.http.get(f"/files/{new_id()}{query}")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_a_session_without_files_is_an_empty_listing(caller: Caller) -> None:
    """K38: an empty session is an empty listing, not a 404."""
    ran = await caller.exec("true", "bash")
    assert await caller.listing(ran["session_id"]) == []


async def test_a_new_version_replaces_the_old_one_in_listings(caller: Caller) -> None:
    """K20, K38: one item for each path, the current one; the old id is still readable."""
    ref = await uploaded(caller, "a.txt", b"old")
    ran = await caller.exec("echo -n new > a.txt", "bash", session_id=ref["session_id"])
    assert [file["id"] for file in await caller.listing(ref["session_id"])] == [ran["files"][0]["id"]]
    assert await caller.content(ref["session_id"], ref["id"]) == b"old"


async def test_a_probe_describes_the_file(caller: Caller) -> None:
    """K39: every key, the nested path, the same values as in the listing."""
    ref = await uploaded(caller)
    session_id, file_id = ref["session_id"], ref["id"]
    probe = await caller.http.get(f"/sessions/{session_id}/objects/{file_id}")
    (item,) = await caller.listing(session_id)
    assert (probe.status_code, probe.json()) == (
        200,
        {
            "name": item["name"],
            "originalFilename": NAME,
            "size": 10,
            "lastModified": item["lastModified"],
            "etag": item["etag"],
            "contentType": "image/png",
            "readOnly": False,
        },
    )


async def test_a_probe_of_nothing_is_not_found(caller: Caller) -> None:
    """K39: 404 in JSON for another session, another file, or a deleted one."""
    ref = await uploaded(caller)
    other = await uploaded(caller)
    for session_id, file_id in [
        (new_id(), ref["id"]),
        (ref["session_id"], new_id()),
        (ref["session_id"], other["id"]),
    ]:
        answer = await caller.http.get(f"/sessions/{session_id}/objects/{file_id}")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


async def test_a_download_is_the_bytes_with_their_headers(caller: Caller) -> None:
    """K40: type, length, ETag, and a file name; nothing that would run content."""
    ref = await uploaded(caller)
    answer = await caller.http.get(f"/download/{ref['session_id']}/{ref['id']}")
    (item,) = await caller.listing(ref["session_id"])
    headers = answer.headers
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert (headers["content-type"], headers["content-length"], headers["etag"]) == ("image/png", "10", item["etag"])
    disposition, _, name = headers["content-disposition"].partition("; filename*=UTF-8''")
    assert (disposition, unquote(name)) == ("attachment", "Übersicht 1.png")
    assert headers["content-disposition"].isascii()
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["a.html", "a.svg", "a.js", "a.xhtml", "a.pdf"])
async def test_active_content_cannot_run(caller: Caller, name: str) -> None:
    """K40: LibreChat copies our headers to the browser: attachment, nosniff and a sandbox without scripts."""
    ref = await uploaded(caller, name, b"<script>alert(1)</script>")
    headers = (await caller.http.get(f"/download/{ref['session_id']}/{ref['id']}")).headers
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"] and "allow-scripts" not in headers["content-security-policy"]
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("wanted", "status", "content", "span"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=9-9", 206, b"9", "bytes 9-9/10"),
        ("bytes=0-9", None, b"0123456789", None),
        ("bytes=-99", None, b"0123456789", None),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=5-2", None, None, None),
    ],
)
async def test_ranges_are_honoured(
    caller: Caller, wanted: str, status: int | None, content: bytes | None, span: str | None
) -> None:
    """K40: a part is a 206 of exactly these bytes; one outside the file a 416; an invalid range the whole file."""
    ref = await uploaded(caller)
    answer = await caller.http.get(f"/download/{ref['session_id']}/{ref['id']}", headers={"Range": wanted})
    assert answer.status_code in ((status,) if status else (200, 206, 416))
    if content is not None:
        assert (answer.content, answer.headers["content-length"]) == (content, str(len(content)))
    if span is not None:
        assert answer.headers["content-range"] == span


async def test_an_empty_file_is_downloaded(caller: Caller) -> None:
    """K40: 200, no bytes, Content-Length 0."""
    ref = await uploaded(caller, "empty.txt", b"")
    answer = await caller.http.get(f"/download/{ref['session_id']}/{ref['id']}")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_a_download_of_nothing_is_not_found(caller: Caller) -> None:
    """K40: 404 in JSON."""
    ref = await uploaded(caller)
    for path in (f"{ref['session_id']}/{new_id()}", f"{new_id()}/{ref['id']}"):
        answer = await caller.http.get(f"/download/{path}")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/files/{}/{}", "/sessions/{}/objects/{}"])
async def test_a_deletion_is_answered_once(caller: Caller, path: str) -> None:
    """K41: 200 with its fixed text; 404 the second time; the file is gone from every route and the others stay."""
    answer = await caller.upload(("a.txt", b"a"), ("b.txt", b"b"))
    session_id, (gone, kept) = answer["session_id"], [file["fileId"] for file in answer["files"]]
    query = {"entity_id": "e", "kind": "user", "id": "u", "version": "1"}
    first = await caller.http.delete(path.format(session_id, gone), params=query)
    second = await caller.http.delete(path.format(session_id, gone), params=query)
    done = {"message": "File deleted successfully", "session_id": session_id, "fileId": gone}
    assert (first.status_code, first.json()) == (200, done)
    assert (second.status_code, second.json()["error"]) == (404, "not_found")
    assert [file["id"] for file in await caller.listing(session_id)] == [kept]
    for route in (f"/download/{session_id}/{gone}", f"/sessions/{session_id}/objects/{gone}"):
        assert (await caller.http.get(route)).status_code == 404
    assert await caller.content(session_id, kept) == b"b"


async def test_deleted_bytes_are_gone_from_the_store(caller: Caller, service: Service) -> None:
    """K41: the bytes are erased, not only hidden."""
    ref = await uploaded(caller)
    await caller.http.delete(f"/files/{ref['session_id']}/{ref['id']}")
    assert not [key for key in service.stored() if ref["id"] in key]
