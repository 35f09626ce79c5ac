"""Every error is JSON of the service's own (K42)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.contract.caller import Caller
from tests.contract.conftest import Serve
from tests.contract.service import Service


def assert_error(answer: httpx.Response, status: int, names: str = "") -> dict[str, Any]:
    """Check the shape of an error body: a short text or code, a message that names the field, no ``detail``."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert isinstance(body["error"], str) and 0 < len(body["error"]) < 100
    assert isinstance(body["message"], str)
    assert "detail" not in body and "Traceback" not in answer.text
    assert names in body["message"]
    return body


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/exec"), ("PUT", "/upload"), ("DELETE", "/download/a/b"), ("POST", "/healthz"), ("PATCH", "/files/a")],
)
async def test_a_wrong_method(caller: Caller, method: str, path: str) -> None:
    """K42: 405, with Allow, and no ``detail``."""
    answer = await caller.http.request(method, path)
    assert_error(answer, 405)
    assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/exec/more", "/files", "/download/a", "/v1"])
async def test_a_wrong_path(caller: Caller, path: str) -> None:
    """K42: 404, and no ``detail``."""
    if path != "/v1":  # which is the service's own page
        assert_error(await caller.http.get(path), 404)
    assert_error(await caller.http.post(path), 405 if path in ("/v1", "/files/a") else 404)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "lang"),
        ({"lang": "py"}, "code"),
        ({"code": "1"}, "lang"),
        ({"lang": None, "code": "1"}, "lang"),
        ({"lang": ["py"], "code": "1"}, "lang"),
        ({"lang": "py", "code": {"a": 1}}, "code"),
        ({"lang": "py", "code": "1", "args": {"a": 1}}, "args"),
        ({"lang": "py", "code": "1", "args": [["a"]]}, "args"),
        ({"lang": "py", "code": "1", "files": 3}, "files"),
        ({"lang": "py", "code": "1", "files": ["a"]}, "files"),
        ({"lang": "py", "code": "1", "files": [{"id": ["a"]}]}, "files"),
        ({"lang": "py", "code": "1", "session_id": {"a": 1}}, "session_id"),
        ({"lang": "py", "code": "1", "timeout": "soon"}, "timeout"),
        ({"lang": "py", "code": "1", "timeout": -1}, "timeout"),
    ],
)
async def test_a_wrong_field_is_named(caller: Caller, body: dict[str, Any], named: str) -> None:
    """K42: what FastAPI would answer with 422 is a 400 whose message names the field."""
    assert_error(await caller.http.post("/exec", json=body), 400, named)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"nonsense", b"[]", b'"text"', b"null", b"3", b"\xff\xfe", b'{"lang": "\xff"}', b"[" * 100_000, b"{}x"],
)
async def test_a_body_that_is_no_request(caller: Caller, content: bytes) -> None:
    """K42: empty, broken, wrongly typed or too deeply nested JSON: 400."""
    answer = await caller.http.post("/exec", content=content, headers={"Content-Type": "application/json"})
    assert_error(answer, 400)


async def test_json_under_another_content_type(caller: Caller) -> None:
    """K42: 400, never a 415 or 422 with the framework's body."""
    answer = await caller.http.post("/exec", content=b'{"lang": "py"}', headers={"Content-Type": "text/plain"})
    assert_error(answer, 400)


@pytest.mark.parametrize(
    "field", ["lang", "code", "args", "session_id", "user_id", "runtime_session_hint", "timeout", "files", "unheard"]
)
@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "9" * 5000, "x" * 200_000])
async def test_no_text_in_a_request_breaks_the_service(caller: Caller, field: str, text: str) -> None:
    """K42: lone surrogates, NUL, huge numbers: an answer or a 400, never a 500."""
    value = {"args": f'["{text}"]', "files": f'[{{"id": "{text}", "session_id": "{text}", "name": "{text}"}}]'}
    fields = {"lang": '"py"', "code": '"1"', field: value.get(field, f'"{text}"')}
    content = "{" + ", ".join(f'"{name}": {json}' for name, json in fields.items()) + "}"
    answer = await caller.http.post("/exec", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400), answer.text


@pytest.mark.parametrize("wanted", ["bytes=" + "9" * 5000 + "-", "bytes=0-" + "9" * 5000, "bytes=-" + "9" * 5000])
async def test_no_range_breaks_the_service(caller: Caller, wanted: str) -> None:
    """K40, K42: huge numbers in a Range are never a 500."""
    ref = await caller.upload_one("a.txt", b"0123456789")
    answer = await caller.http.get(f"/download/{ref['session_id']}/{ref['id']}", headers={"Range": wanted})
    assert answer.status_code in (200, 206, 400, 416), answer.text


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_over_the_limit(serve: Serve, is_chunked: bool) -> None:
    """K42: 413, whether the length was announced or not."""
    body = b'{"lang": "bash", "code": "' + b"#" * 5000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    async with serve(request_body_max_bytes=4096) as service:
        content = pieces() if is_chunked else body
        headers = {"Content-Type": "application/json"}
        assert_error(await service.caller().http.post("/exec", content=content, headers=headers), 413)


async def test_an_unforeseen_failure_tells_nothing(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """K42: 500 in JSON, without the exception's text or a stack trace."""

    async def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(service.parts.store, "load", broken)
    answer = await service.caller().http.get("/files/" + "a" * 21)
    assert_error(answer, 500)
    assert "secret" not in answer.text and "RuntimeError" not in answer.text
