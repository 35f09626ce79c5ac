"""LibreChat's own server lists, probes, downloads and deletes files."""

from __future__ import annotations

import pytest

from tests.clients.client import Client, Json
from tests.clients.uploading import CONTENT, USER, is_alive, uploaded


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
