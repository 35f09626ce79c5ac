"""Regression tests for attacks over HTTP, named by their former effect."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.contract.service import API_KEY, LIFE_STEP_SECONDS, Service

_SHORTEST_BOUNDARY_REFUSED = 257


@pytest.mark.parametrize("route", ["/upload", "/upload/batch"])
async def test_a_long_boundary_was_a_failure_of_the_service(service: Service, route: str) -> None:
    """K36, K42: a multipart boundary that the parser refuses is a malformed request: 400, not 500."""
    for length in (_SHORTEST_BOUNDARY_REFUSED, 70_000):
        kind = "multipart/form-data; boundary=" + "b" * length
        async with service.http(X_API_Key=API_KEY, Content_Type=kind) as http:
            answer = await http.post(route, content=b"--b--")
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_request"), length


async def test_a_client_that_left_at_once_had_its_program_run_to_the_end(service: Service) -> None:
    """K26: if the connection closes before the first step of the run, the run is cancelled."""
    body = json.dumps({"lang": "bash", "code": "sleep 50"}).encode()
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    sizes = {"x-api-key": API_KEY, "content-type": "application/json", "content-length": str(len(body))}
    headers = [(name.encode(), value.encode()) for name, value in sizes.items()]
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/exec",
        "raw_path": b"/exec", "query_string": b"", "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    async with asyncio.timeout(LIFE_STEP_SECONDS / 2):
        await service.app(scope, receive, send)
    assert sent[0]["status"] == 499
