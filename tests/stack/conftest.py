"""Run whole programs in real jails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service import LiveService

PROGRAMS = Path(__file__).parent / "programs"

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def client(live_service: LiveService) -> Iterator[httpx.Client]:
    """Speak to the service with its key."""
    headers = {"X-API-Key": live_service.api_key}
    with httpx.Client(base_url=live_service.url, headers=headers, timeout=120) as client:
        yield client


@pytest.fixture
def run(client: httpx.Client) -> Run:
    """Return a function that runs a program and gives the answer."""

    def post(code: str, lang: str = "py") -> dict[str, Any]:
        answer = client.post("/exec", json={"lang": lang, "code": code, "timeout": 100_000})
        assert answer.status_code == httpx.codes.OK, answer.text
        return dict(answer.json())

    return post
