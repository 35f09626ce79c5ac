"""Uploads: what is accepted, what is answered, and that a refused one leaves nothing (K34, K36)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from librechat_code_interpreter.units import MiB
from tests.contract.caller import Caller, form
from tests.contract.conftest import Serve
from tests.contract.service import Service

FILE = (b'name="file"; filename="a.txt"', b"content")


async def test_the_answer_has_every_name_that_a_client_reads(caller: Caller) -> None:
    """K34: message exactly ``success``, both session names, and for each file fileId, filename, id, name, size."""
    answer = await caller.upload(("a.txt", b"abc"), ("b/c.txt", b""))
    session_id = answer["session_id"]
    assert answer == {
        "message": "success",
        "session_id": session_id,
        "storage_session_id": session_id,
        "files": [
            {"fileId": file["id"], "id": file["id"], "filename": name, "name": name, "size": size}
            for file, name, size in zip(answer["files"], ("a.txt", "b/c.txt"), (3, 0), strict=True)
        ],
    }


@pytest.mark.parametrize("field", ["file", "files", "files[]", "attachment", "ä"])
async def test_the_file_parts_may_have_any_field_name(caller: Caller, field: str) -> None:
    """K34: the file part is called ``file`` by LibreChat, ``files`` by the seed; one or several."""
    parts = [(field, (name, b"x")) for name in ("a.txt", "b.txt")]
    answer = await caller.http.post("/upload", files=parts)
    assert (answer.status_code, [file["filename"] for file in answer.json()["files"]]) == (200, ["a.txt", "b.txt"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"entity_id": "asst_1"},
        {"entity_id": ""},
        {"kind": "user", "id": "u1"},
        {"kind": "agent", "id": "a1"},
        {"kind": "skill", "id": "s1", "version": "7"},
        {"kind": "user", "id": "u1", "version": "", "read_only": "true"},
        {"session_id": ""},
    ],
)
async def test_every_releases_text_fields_are_taken(caller: Caller, fields: dict[str, str]) -> None:
    """K34: entity_id of old clients; kind, id, version and read_only of new ones."""
    ref = await caller.upload_one("a.txt", b"abc", **fields)
    assert await caller.content(ref["session_id"], ref["id"]) == b"abc"


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("false", False), (None, False)])
async def test_read_only_is_kept(caller: Caller, value: str | None, expected: bool) -> None:
    """K34, K39: ``read_only`` is kept, and shown by the probe."""
    ref = await caller.upload_one("a.txt", b"a", **({} if value is None else {"read_only": value}))
    probe = await caller.http.get(f"/sessions/{ref['session_id']}/objects/{ref['id']}")
    assert probe.json()["readOnly"] is expected


async def test_an_upload_adds_to_a_session(caller: Caller) -> None:
    """K34: ``session_id`` names a live session; the files join those that are there."""
    first = await caller.upload(("a.txt", b"a"))
    second = await caller.upload(("b.txt", b"b"), session_id=first["session_id"])
    assert second["session_id"] == second["storage_session_id"] == first["session_id"]
    listed = [file["filename"] for file in await caller.listing(first["session_id"])]
    assert listed == ["a.txt", "b.txt"]


@pytest.mark.parametrize("session_id", ["a" * 21, "nonsense"])
async def test_an_upload_into_no_session_is_told(service: Service, caller: Caller, session_id: str) -> None:
    """K34: a session that is not there: 404, and nothing is kept."""
    before = service.stored()
    answer = await caller.http.post("/upload", data={"session_id": session_id}, files={"file": ("a.txt", b"a")})
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert service.stored() == before


async def test_a_body_without_a_length_is_taken(caller: Caller) -> None:
    """K34: chunked, in pieces that cut every boundary and header."""
    headers, body = form((b'name="entity_id"', b"asst_1"), FILE, (b'name="file"; filename="b.txt"', b"x" * 300))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    answer = await caller.http.post("/upload", content=pieces(), headers=headers)
    assert answer.status_code == 200
    session_id = answer.json()["session_id"]
    contents = [await caller.content(session_id, file["id"]) for file in answer.json()["files"]]
    assert contents == [b"content", b"x" * 300]


@pytest.mark.parametrize("size", [1, 2, 3, 11, 38, 39, 40, 41, 97, 1000])
async def test_a_file_survives_however_its_body_is_cut(caller: Caller, size: int) -> None:
    """K34: also if a piece ends like the beginning of a boundary, or contains only a file's bytes."""
    headers, _ = form()
    boundary = b"\r\n--" + headers["Content-Type"].partition("boundary=")[2].encode()
    endings = b"".join(b"x" * 50 + boundary[:length] for length in range(len(boundary)))
    contents = [endings, b"\r" * 300, b"y" * 3000, boundary[:-1] + b"\r\n", b""]
    headers, body = form(*((b'name="file"; filename="%d"' % number, item) for number, item in enumerate(contents)))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    answer = (await caller.http.post("/upload", content=pieces(), headers=headers)).json()
    assert [await caller.content(answer["session_id"], file["id"]) for file in answer["files"]] == contents


@pytest.mark.parametrize("name", ["a", "a.exe", "a.unheardof", "a.tar.gz", "Makefile", "a.PHP", "a.svg"])
async def test_any_extension_is_taken(caller: Caller, name: str) -> None:
    """K36: there is no list of allowed types."""
    await caller.upload_one(name)


async def test_content_that_looks_like_a_boundary_survives(caller: Caller) -> None:
    """K34: bytes are bytes: CRLF, dashes, NUL, almost-boundaries."""
    content = b"\r\n--\r\n------\r\n\0\xff--" + b"\r\n----" * 100 + b"\r\n"
    headers, body = form((b'name="file"; filename="a.bin"', content))
    answer = (await caller.http.post("/upload", content=body, headers=headers)).json()
    assert await caller.content(answer["session_id"], answer["files"][0]["id"]) == content


async def test_the_limit_is_twenty_mebibytes_and_not_a_byte_less(service: Service, caller: Caller) -> None:
    """K36: UPLOAD_MAX_BYTES bytes are accepted, one more is a 413 in JSON of which nothing is kept."""
    await caller.upload_one("fits.bin", b"x" * (20 * MiB))
    before = service.stored()
    answer = await caller.http.post("/upload", files={"file": ("big.bin", b"x" * (20 * MiB + 1))})
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    assert service.stored() == before


async def test_one_file_too_large_takes_the_whole_upload_back(serve: Serve) -> None:
    """K36: nothing kept, not even of the files before it, in a new session as in an old one."""
    async with serve(upload_max_bytes=10) as service:
        caller = service.caller()
        session_id = (await caller.upload(("old.txt", b"old")))["session_id"]
        before = service.stored()
        for fields in ({}, {"session_id": session_id}):
            files = [("file", ("ok.txt", b"x" * 10)), ("file", ("big.txt", b"x" * 11)), ("file", ("c.txt", b"c"))]
            answer = await caller.http.post("/upload", data=fields, files=files)
            assert answer.status_code == 413
            assert service.stored() == before
        assert [file["filename"] for file in await caller.listing(session_id)] == ["old.txt"]


async def test_the_limit_counts_a_file_and_not_the_request(serve: Serve) -> None:
    """K36: several files, each within the limit, are fine together."""
    async with serve(upload_max_bytes=10) as service:
        answer = await service.caller().upload(*((f"{number}.txt", b"x" * 10) for number in range(5)))
    assert len(answer["files"]) == 5


GOOD_HEADERS, GOOD_BODY = form(FILE, FILE)
BOUNDARY = GOOD_HEADERS["Content-Type"].partition("boundary=")[2].encode()
BROKEN = {
    "cut off in a file": GOOD_BODY[: len(GOOD_BODY) // 2],
    "cut off before the end": GOOD_BODY[: -len(b"--\r\n")],
    "cut off in the headers": GOOD_BODY[: len(BOUNDARY) + 20],
    "no boundary in it": b"just text",
    "another boundary": form(FILE)[1],
    "a header without a colon": b"--%b\r\nContent-Disposition\r\n\r\nx\r\n--%b--\r\n" % (BOUNDARY, BOUNDARY),
    "no disposition": b"--%b\r\n\r\nx\r\n--%b--\r\n" % (BOUNDARY, BOUNDARY),
    "a part without a name": b'--%b\r\nContent-Disposition: form-data; filename="a"\r\n\r\nx\r\n--%b--\r\n'
    % (BOUNDARY, BOUNDARY),
    "empty": b"",
}


@pytest.mark.parametrize("route", ["/upload", "/upload/batch"])
@pytest.mark.parametrize("fault", BROKEN)
async def test_a_broken_body_is_malformed(service: Service, caller: Caller, route: str, fault: str) -> None:
    """K36: 400 in JSON, and nothing is kept of what came before the fault."""
    before = service.stored()
    answer = await caller.http.post(route, content=BROKEN[fault], headers=GOOD_HEADERS)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert service.stored() == before


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "multipart/form-data", "multipart/mixed; boundary=x"]
)
async def test_a_body_that_is_no_form_is_malformed(caller: Caller, content_type: str | None) -> None:
    """K36: 400 that names the Content-Type."""
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await caller.http.post("/upload", content=GOOD_BODY, headers=headers)
    assert (answer.status_code, "Content-Type" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("parts", [(), ((b'name="entity_id"', b"x"),), ((b'name="file"', b"text, no file"),)])
async def test_a_form_without_a_file_is_malformed(caller: Caller, parts: tuple[tuple[bytes, bytes], ...]) -> None:
    """K36: 400 that names the field."""
    headers, body = form(*parts)
    answer = await caller.http.post("/upload", content=body, headers=headers)
    assert (answer.status_code, "file" in answer.json()["message"]) == (400, True)


async def test_an_unknown_kind_is_malformed(service: Service, caller: Caller) -> None:
    """K34, K42: 400 that names the field; nothing is kept."""
    before = service.stored()
    answer = await caller.http.post("/upload", data={"kind": "galaxy", "id": "x"}, files={"file": ("a.txt", b"a")})
    assert (answer.status_code, "kind" in answer.json()["message"]) == (400, True)
    assert service.stored() == before


async def test_each_file_of_a_form_has_its_own_content_type(caller: Caller) -> None:
    """K34: whatever the pieces are in which the body arrives, a file keeps the type that its part names."""
    headers, body = form(
        (b'name="file"; filename="a.zzz"\r\nContent-Type: application/x-first', b"first"),
        (b'name="file"; filename="b.zzz"\r\nContent-Type: application/x-second', b"second"),
        (b'name="file"; filename="c.zzz"', b"third"),
    )
    types = ["application/x-first", "application/x-second", "application/octet-stream"]
    for size in range(1, len(body) + 1):

        async def pieces(size: int = size) -> AsyncIterator[bytes]:
            for start in range(0, len(body), size):
                yield body[start : start + size]

        answer = await caller.http.post("/upload", content=pieces(), headers=headers)
        listed = await caller.listing(answer.json()["session_id"])
        assert [file["contentType"] for file in listed] == types, f"in pieces of {size} bytes"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("report.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("report.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("slides.PPTX", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        ("notes.md", "text/markdown"),
        ("photo.webp", "image/webp"),
        ("data.parquet", "application/vnd.apache.parquet"),
        ("rows.jsonl", "application/jsonl"),
        ("book.ipynb", "application/x-ipynb+json"),
        ("config.yaml", "application/yaml"),
        ("plots/hist.png", "image/png"),
        ("archive.tar.gz", "application/gzip"),
        ("no-extension", "application/octet-stream"),
    ],
)
async def test_an_output_has_the_content_type_of_its_name(caller: Caller, name: str, content_type: str) -> None:
    """K38, K40: on every Python the same, in listing and download."""
    ran = await caller.exec(f"mkdir -p plots; echo x > '{name}'", "bash")
    [file] = await caller.listing(ran["session_id"])
    answer = await caller.http.get(f"/download/{ran['session_id']}/{file['id']}")
    assert file["contentType"] == content_type
    assert answer.headers["content-type"].partition(";")[0] == content_type
