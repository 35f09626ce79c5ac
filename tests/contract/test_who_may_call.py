"""Credentials on the wire (K5, K6, K8); tests/test_credentials.py checks each kind."""

from __future__ import annotations

import logging

import httpx
import pytest

from librechat_code_interpreter.api.routes import ROUTES
from tests.contract.conftest import Serve
from tests.contract.service import API_KEY, Service

PUBLIC = {"/", "/healthz", "/health", "/readyz", "/openapi.json", "/docs", "/console"}
"""Written again here, so that no route becomes public by one line."""

PUBLIC_BELOW = ("/swagger/", "/console/page/")
CODE = {"lang": "bash", "code": "echo in"}


def at(service: Service, url: str) -> httpx.AsyncClient:
    """Reach the service under a base URL, as the client builds it from LIBRECHAT_CODE_BASEURL."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(service.app), base_url=url)


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}])
@pytest.mark.parametrize(
    ("method", "route"),
    [
        (route.method, route.path)
        for route in ROUTES
        if route.path not in PUBLIC and not route.path.startswith(PUBLIC_BELOW)
    ],
)
async def test_every_route_refuses_callers_without_the_key(
    service: Service, method: str, route: str, headers: dict[str, str]
) -> None:
    """K5: a missing or wrong credential is a 401 in JSON, with a challenge, on every route but health."""
    answer = await service.http(**headers).request(method, route)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"]
    assert answer.json()["error"] == "unauthorized"


@pytest.mark.parametrize("path", ["/docs/x", "/docsx", "/swagger/x", "/console/x", "/healthz/x", "/metrics/x", "/x"])
async def test_no_path_beside_a_public_one_is_public(service: Service, path: str) -> None:
    """K5: what the route table does not name needs the key, so nobody can find out what is there."""
    assert (await service.http().get(path)).status_code == 401


@pytest.mark.parametrize("headers", [{"X-API-Key": API_KEY}, {"Authorization": f"Bearer {API_KEY}"}])
async def test_the_key_is_taken_in_either_header(service: Service, headers: dict[str, str]) -> None:
    """K5: X-API-Key, or Authorization: Bearer."""
    answer = await service.http(**headers).post("/exec", json=CODE)
    assert (answer.status_code, answer.json()["stdout"]) == (200, "in\n")


@pytest.mark.parametrize("user_info", [f"x:{API_KEY}", f"{API_KEY}:x", f"{API_KEY}:", f":{API_KEY}"])
async def test_the_key_is_taken_from_the_base_url(service: Service, user_info: str) -> None:
    """K6: as user or as password of http://x:KEY@host/v1, which HTTP clients turn into Basic."""
    async with at(service, f"http://{user_info}@service/v1") as client:
        answer = await client.post("/exec", json=CODE)
    assert (answer.status_code, answer.json()["stdout"]) == (200, "in\n")


async def test_the_key_shows_nowhere(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """K6: not in logs, nor in any body or header of an answer, right or wrong, nor in what a program sees."""
    with caplog.at_level(logging.DEBUG):
        async with at(service, f"http://x:{API_KEY}@service/v1") as client:
            answers = [
                await client.post("/exec", json={"lang": "bash", "code": "env; cat /proc/*/environ /proc/*/cmdline"}),
                await client.post("/exec", json={"lang": "cobol", "code": ""}),
                await client.get("/files/none"),
                await client.get("/nowhere"),
            ]
        async with at(service, f"http://x:{API_KEY}-almost@service/v1") as client:
            answers.append(await client.get("/files/none"))
    assert [answer.status_code for answer in answers] == [200, 400, 404, 404, 401]
    for answer in answers:
        assert API_KEY not in answer.text + str(answer.headers)
    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("librechat_code_interpreter", "uvicorn"))
    ]
    assert API_KEY not in "".join(ours)


async def test_a_closed_network_may_do_without(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """K8: ADAPTER_AUTH=none serves callers without a credential, and warns at the start."""
    async with serve(adapter_auth="none", adapter_api_key=None) as service:
        answer = await service.http().post("/exec", json=CODE)
        ready = await service.http().get("/readyz")
    assert (answer.status_code, answer.json()["stdout"]) == (200, "in\n")
    warned = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert any("ADAPTER_AUTH=none" in line for line in warned)
    assert any("ADAPTER_AUTH=none" in line for line in ready.json()["warnings"])


async def test_librechat_without_a_credential_gets_one_line_of_help(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """K8: the log says once, in one line, that LibreChat >= v0.8.6 sends none, and names the three ways out."""
    async with serve() as service:
        for _ in range(3):
            answer = await service.http(User_Agent="LibreChat/1.0").post("/exec", json=CODE)
            assert answer.status_code == 401
    (line,) = [record.getMessage() for record in caplog.records if "v0.8.6" in record.getMessage()]
    assert "\n" not in line
    for way in ("LIBRECHAT_CODE_BASEURL", "CODEAPI_JWT_PUBLIC_KEY", "ADAPTER_AUTH=none"):
        assert way in line
