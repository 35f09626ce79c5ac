"""Every answer has a request id and the usual headers; stricter headers of its own are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.scripted import ScriptedEngine
from librechat_code_interpreter.core.events import Answered
from tests.contract.caller import Caller, file_named
from tests.contract.service import Service, serving

SCRIPTED: Any = ScriptedEngine
USUAL = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/v1/health", 200),
        ("GET", "/metrics", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/files/nothing", 404),
        ("DELETE", "/exec", 405),
        ("POST", "/exec", 400),
    ],
)
async def test_every_answer_has_the_usual_headers(caller: Caller, method: str, path: str, status: int) -> None:
    """Content is not sniffed, framed, cached or disclosed in referrers; the same for errors."""
    answer = await caller.http.request(method, path)
    assert answer.status_code == status
    assert USUAL.items() <= dict(answer.headers).items()
    assert len(answer.headers.get_list("x-request-id")) == 1


async def test_the_gates_refusals_have_them_too(service: Service) -> None:
    """A 401 comes before any route, and has its id and headers all the same."""
    answer = await service.http().post("/exec", json={"lang": "py", "code": "1"})
    assert answer.status_code == 401
    assert answer.headers["x-request-id"] and USUAL.items() <= dict(answer.headers).items()


async def test_a_download_keeps_its_own(caller: Caller) -> None:
    """A file's stricter headers stay as they are, each once: LibreChat copies them to the browser."""
    made = await caller.exec("open('a.html', 'w').write('<script>1</script>')")
    answer = await caller.http.get(f"/download/{made['session_id']}/{file_named(made, 'a.html')['id']}")
    assert answer.headers.get_list("content-security-policy") == ["default-src 'none'; sandbox"]
    assert answer.headers.get_list("cache-control") == ["private, no-store"]
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]


async def test_the_api_page_may_run_its_own_script(caller: Caller) -> None:
    """Swagger's page loads its own resources, and cannot be framed."""
    answer = await caller.http.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self' 'unsafe-inline'" in policy and "frame-ancestors 'none'" in policy
    assert "https:" not in answer.text  # whatever it needs comes from us, or the policy would stop it
    assert "cache-control" not in answer.headers


@pytest.mark.parametrize("given", ["a", "01J9-x.y_z:/+=@", "f" * 128])
async def test_a_request_id_is_kept(caller: Caller, given: str) -> None:
    """The request id of a proxy is adopted."""
    answer = await caller.http.get("/healthz", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "two words", "f" * 129, 'a"b', "a\x1b[31m", "é", "a;b"])
async def test_an_id_that_could_forge_a_log_is_replaced(caller: Caller, given: str) -> None:
    """Blanks, quotes, control characters or excessive length: the request gets a new id instead."""
    answer = await caller.http.get("/healthz", headers=[(b"x-request-id", given.encode("latin-1"))])
    assert answer.headers["x-request-id"] not in ("", given)


async def test_ids_of_ours_differ(caller: Caller) -> None:
    """No two requests share an id."""
    ids = [(await caller.http.get("/healthz")).headers["x-request-id"] for _ in range(20)]
    assert len(set(ids)) == 20


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/healthz", "healthz", 200),
        ("//v1//files/x", "files", 404),
        ("/v1/exec/programmatic", "exec", 405),
        ("/wp-login.php", "other", 404),
        ("/" + "a" * 500, "other", 404),
        ("/", "other", 200),
    ],
)
async def test_requests_are_told_by_the_first_part_of_their_path(
    tmp_path: Path, path: str, route: str, status: int
) -> None:
    """The number of route labels is small and fixed, whatever is requested."""
    told: list[Answered] = []
    async with serving(tmp_path, SCRIPTED()) as service:
        service.parts.events.on(Answered, told.append)
        await service.caller().http.get(path)
    assert [(answered.route, answered.status) for answered in told] == [(route, status)]
