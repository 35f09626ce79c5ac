"""One S3 server for all tests here, with a part of the bucket for each; one that may be killed for those that ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from librechat_code_interpreter.core.ids import new_id
from tests.stores.moto_server import BUCKET, MotoServer, environment


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    """Start a server once."""
    server = MotoServer(tmp_path_factory.mktemp("moto"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[MotoServer]:
    """Start a server for one test."""
    server = MotoServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def bucket(moto: MotoServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of an empty prefix in a bucket, and set the environment for it."""
    reach(monkeypatch, moto.port)
    return f"s3://{BUCKET}/{new_id()}"


def reach(monkeypatch: pytest.MonkeyPatch, port: int, **more: str) -> None:
    """Let S3 be at this port."""
    for name, value in (environment(port) | more).items():
        monkeypatch.setenv(name, value)
