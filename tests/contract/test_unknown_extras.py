"""Unknown fields are ignored, and never logged or returned (K3)."""

from __future__ import annotations

import logging

import pytest

from tests.contract.caller import Caller, new_ref
from tests.contract.service import Service

SECRET = "sk-inner-secret-0123456789"


async def test_unknown_body_keys_query_keys_and_headers_are_ignored_by_exec(caller: Caller) -> None:
    """K3: additional keys of every release in /exec have no effect."""
    body = {
        "lang": "py", "code": "print(6 * 7)", "LIBRECHAT_CODE_API_KEY": SECRET, "apiKey": SECRET, "isPyPlot": True,
        "entity_id": "asst_1", "session_key": {"deep": [1, {}]}, "files": [], "version": None, "internal": [None],
    }  # fmt: skip
    headers = {"X-Unheard-Of": "1", "X-LibreChat-Code-Request-ID": "r-1", "Accept-Encoding": "gzip"}
    answer = await caller.http.post("/exec?a=1&entity_id=x&detail=2", json=body, headers=headers)
    assert (answer.status_code, answer.json()["stdout"]) == (200, "42\n")


async def test_unknown_form_fields_are_ignored_by_uploads(caller: Caller) -> None:
    """K3: unknown text fields of a form, before or after the file, change nothing."""
    for route in ("/upload", "/upload/batch"):
        answer = await caller.http.post(
            route,
            data={"apiKey": SECRET, "user": "u", "a[b]": "c"},
            files=[("file", ("a.txt", b"a")), ("later", (None, b"text after the file"))],
            params={"whatever": "1"},
        )
        assert (answer.status_code, len(answer.json()["files"])) == (200, 1), answer.text


async def test_unknown_query_keys_are_ignored_by_the_file_routes(caller: Caller) -> None:
    """K3, K41: listing, probe, download and deletion take entity_id, kind, id, version and anything else."""
    ref = await caller.upload_one("a.txt", b"abc")
    session_id, file_id = ref["session_id"], ref["id"]
    query = {"entity_id": "e", "kind": "user", "id": "u1", "version": "3", "unheard": "of", "apiKey": SECRET}
    for method, path in [
        ("GET", f"/files/{session_id}"),
        ("GET", f"/sessions/{session_id}/objects/{file_id}"),
        ("GET", f"/download/{session_id}/{file_id}"),
        ("DELETE", f"/files/{session_id}/{file_id}"),
    ]:
        answer = await caller.http.request(method, path, params=query)
        assert answer.status_code == 200, path


async def test_unknown_keys_of_a_ref_are_ignored(caller: Caller) -> None:
    """K3, K15: a ref of the future still places its file."""
    ref = await caller.upload_one("a.txt", b"abc")
    future = new_ref(ref["session_id"], ref["id"], "a.txt", version=3, etag={"x": 1}, entity_id=None, extra=[1])
    answer = await caller.exec("cat a.txt", "bash", files=[future])
    assert answer["stdout"] == "abc"


@pytest.mark.parametrize(
    "body",
    [
        {"lang": "bash", "code": "true", "apiKey": SECRET},
        {"lang": 7.5, "code": {"text": SECRET}, "apiKey": SECRET},
        {"lang": "py", "apiKey": SECRET},
        {"lang": "py", "code": "pass", "args": {"a": SECRET}},
        {"lang": "py", "code": "pass", "timeout": SECRET},
        {"lang": "py", "code": "pass", "files": SECRET},
        {"lang": "py", "code": "pass", "files": [{"id": {"a": SECRET}}]},
        {"lang": "cobol", "code": SECRET, "LIBRECHAT_CODE_API_KEY": SECRET},
    ],
)
async def test_bodies_are_neither_logged_nor_echoed(
    caller: Caller, caplog: pytest.LogCaptureFixture, body: dict[str, object]
) -> None:
    """K3, K42: a key in the body is in no log line of any level and in no answer, good or bad."""
    with caplog.at_level(logging.DEBUG):
        answer = await caller.http.post("/exec", json=body)
    assert answer.status_code in (200, 400)
    assert SECRET not in answer.text
    assert SECRET not in caplog.text


async def test_a_body_that_breaks_the_service_is_neither_logged_nor_echoed(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K3, K42: not even a 500 contains any of the request."""

    async def broken(*_: object) -> None:
        raise RuntimeError("something inside")

    monkeypatch.setattr(service.parts.store, "create", broken)
    with caplog.at_level(logging.DEBUG):
        body = {"lang": "bash", "code": f"echo {SECRET}", "apiKey": SECRET}
        answer = await service.caller().http.post("/exec", json=body)
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_error")
    assert SECRET not in answer.text + caplog.text
    assert "something inside" not in answer.text
