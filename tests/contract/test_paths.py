"""Paths and the execution profile (K1, K2, K4)."""

from __future__ import annotations

import httpx
import pytest

from librechat_code_interpreter.api import routes
from tests.contract.caller import Caller
from tests.contract.service import Service

PREFIXES = ("", "/v1", "/", "/v1/")
"""How a base URL may end before the client appends ``/exec``."""

NOBODY = "/files/" + "a" * 21
ROUTES = [
    (route.method, route.path.replace("{session_id}", "a" * 21).replace("{file_id}", "b" * 21))
    for route in routes.ROUTES
    if not route.is_page and route.name not in ("metrics", "console")  # two of these responses always differ
]


async def sent(caller: Caller, method: str, path: str, **more: object) -> httpx.Response:
    """Send a request whose path goes out exactly as written."""
    url = httpx.URL("http://service", raw_path=path.encode())
    return await caller.http.request(method, url, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(("method", "route"), ROUTES)
async def test_every_route_answers_below_every_prefix(caller: Caller, method: str, route: str, prefix: str) -> None:
    """K1, K2: /route, /v1/route and the doubled slashes of a base URL that ended in one are the same route."""
    plain = await sent(caller, method, route)
    prefixed = await sent(caller, method, prefix + route)
    assert plain.status_code != 405
    assert plain.json().get("message") != "There is no such route."
    assert (prefixed.status_code, prefixed.json()) == (plain.status_code, plain.json())


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_program_runs_below_every_prefix(caller: Caller, prefix: str) -> None:
    """K1: /exec, /v1/exec, //exec and /v1//exec run the program themselves, without a redirect."""
    answer = await sent(caller, "POST", f"{prefix}/exec", json={"lang": "bash", "code": "echo here"})
    assert (answer.status_code, answer.json()["stdout"]) == (200, "here\n")


@pytest.mark.parametrize("path", ["/exec/", "/v1/upload/", "/upload/batch/", "/v1", "/v1/", "/nowhere", NOBODY + "/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nothing_ever_redirects(caller: Caller, method: str, path: str) -> None:
    """K2: a streamed body cannot be sent twice, so no path answers 3xx."""
    answer = await sent(caller, method, path)
    assert not answer.has_redirect_location
    assert not 300 <= answer.status_code < 400


@pytest.mark.parametrize("expected", [{}, {"X-CodeAPI-Expected-Profile": "default"}])
async def test_the_default_profile_is_served(caller: Caller, expected: dict[str, str]) -> None:
    """K4: no expectation, or ``default``, works."""
    answer = await caller.http.post("/exec", json={"lang": "bash", "code": "true"}, headers=expected)
    assert answer.status_code == 200


async def test_a_known_profile_that_is_not_served_is_a_mismatch(caller: Caller) -> None:
    """K4: ``stateful`` is a 409 that names both profiles, before anything runs."""
    asked = {"X-CodeAPI-Expected-Profile": "stateful"}
    answer = await caller.http.post("/exec", json={"lang": "bash", "code": "true"}, headers=asked)
    body = answer.json()
    assert (answer.status_code, body.pop("message") != "") == (409, True)
    assert body == {"error": "execution_profile_mismatch", "expected_profile": "stateful", "actual_profile": "default"}


async def test_an_unknown_profile_is_malformed(caller: Caller) -> None:
    """K4: an unknown profile is a 400 with a code of its own."""
    asked = {"X-CodeAPI-Expected-Profile": "quantum"}
    answer = await caller.http.post("/exec", json={"lang": "bash", "code": "true"}, headers=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_execution_profile")


async def test_every_response_carries_the_profile(service: Service, caller: Caller) -> None:
    """K4: every answer names the profile, also errors of every kind and public routes."""
    uploaded = await caller.upload_one("a.txt")
    file = f"{uploaded['session_id']}/{uploaded['id']}"
    requests = [
        (200, caller.http.get("/healthz")),
        (200, caller.http.get(f"/download/{file}")),
        (206, caller.http.get(f"/download/{file}", headers={"Range": "bytes=0-1"})),
        (416, caller.http.get(f"/download/{file}", headers={"Range": "bytes=99-"})),
        (200, caller.http.delete(f"/files/{file}")),
        (404, caller.http.get(f"/download/{file}")),
        (404, caller.http.get("/nowhere")),
        (405, caller.http.get("/exec")),
        (400, caller.http.post("/exec", content=b"{")),
        (400, caller.http.post("/upload")),
        (400, caller.http.get("/healthz", headers={"X-CodeAPI-Expected-Profile": "quantum"})),
        (401, service.http().post("/exec", json={})),
    ]
    for status, request in requests:
        answer = await request
        profile = answer.headers.get_list("X-CodeAPI-Execution-Profile")
        assert (answer.status_code, profile) == (status, ["default"]), answer.request.url
