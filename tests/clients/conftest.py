"""The released clients, each set up as its LibreChat release has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.client import Client, Json
from tests.clients.uploading import CONTENT, NAME
from tests.service import LiveService

OLD = {"1.8.8": "LibreChat v0.7.6", "3.0.50": "v0.8.1", "3.1.63": "v0.8.3 to v0.8.5"}
NEW = {"3.9.2": "late 2026"}


def client_of(version: str, service: LiveService) -> Client:
    """Set up a client: old ones have a key to send, new ones have nothing but the address (K6)."""
    if version in OLD:
        return Client(version, "old", service.url, service.api_key)
    return Client(version, "new", service.url_with_key, api_key="")


@pytest.fixture(params=[*OLD, *NEW])
def client(request: pytest.FixtureRequest, live_service: LiveService) -> Client:
    """Every client."""
    return client_of(request.param, live_service)


@pytest.fixture(params=OLD)
def old_client(request: pytest.FixtureRequest, live_service: LiveService) -> Client:
    """Every client that sends X-API-Key."""
    return client_of(request.param, live_service)


@pytest.fixture(params=NEW)
def new_client(request: pytest.FixtureRequest, live_service: LiveService) -> Client:
    """Every client that sends no credential of its own."""
    return client_of(request.param, live_service)


@pytest.fixture(params=["3.1.63", *NEW])
def remembering_client(request: pytest.FixtureRequest, live_service: LiveService) -> Client:
    """Every client whose ToolNode remembers files; before it, the model handed the session id on."""
    return client_of(request.param, live_service)


@pytest.fixture
def model_driven_client(live_service: LiveService) -> Client:
    """The client whose model names the session; it then lists that session's files (`detail=full`)."""
    return client_of("3.0.50", live_service)


@pytest.fixture
def csv(tmp_path: Path) -> Json:
    """A file on LibreChat's disk, to be uploaded by its name."""
    path = tmp_path / "upload.bin"
    path.write_text(CONTENT)
    return {"path": str(path), "filename": NAME}
