"""The real service as a process of its own, for tests that talk to it from outside."""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READY_WITHIN_SECONDS = 120
STOPPED_WITHIN_SECONDS = 30
POLL_SECONDS = 0.05
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SANDBOX_RUNTIME")


class ServiceFailed(Exception):
    """The service did not start, or did not stop; the message ends with its log."""


@dataclass(frozen=True)
class LiveService:
    """Address, key and log file of a running service."""

    host: str
    api_key: str
    log: Path

    @property
    def url(self) -> str:
        """The address as LibreChat's operator writes it for releases before v0.8.6."""
        return f"http://{self.host}/v1"

    @property
    def url_with_key(self) -> str:
        """The address for releases from v0.8.6 on, which send no credential of their own (K6)."""
        return f"http://x:{self.api_key}@{self.host}/v1"


@contextmanager
def running_service(workdir: Path, **settings: str) -> Iterator[LiveService]:
    """Start the service with its own file store, wait until it is ready, and end it afterwards.

    `settings` are further environment variables. Raises ServiceFailed.
    """
    service = LiveService(f"127.0.0.1:{_free_port()}", secrets.token_urlsafe(24), workdir / "service.log")
    with service.log.open("wb") as log:
        process = subprocess.Popen(
            _command(service),
            cwd=workdir,
            env=_environment(service, workdir, settings),
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_ready(process, service)
        yield service
    finally:
        _stop(process, service)


@pytest.fixture(scope="session")
def live_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """Run one service with the local engine and an API key for the whole test session."""
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(service: LiveService) -> list[str]:
    host, port = service.host.split(":")
    bounds = "librechat_code_interpreter.api.connection_limits:BoundedConnection"
    return [sys.executable, "-m", "uvicorn", "app.main:app", "--http", bounds, "--host", host, "--port", port]


def _environment(service: LiveService, workdir: Path, settings: dict[str, str]) -> dict[str, str]:
    """Make an environment without the machine's settings and the tree's `.env`."""
    return {
        "SANDBOX_RUNTIME": str(ROOT / ".sandbox"),
        **{name: os.environ[name] for name in INHERITED if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "ADAPTER_API_KEY": service.api_key,
        "ADAPTER_ENGINE": "local",
        "FILE_STORE_URL": str(workdir / "store"),
        "DRAIN_SECONDS": "0",  # its end waits for nobody
        **settings,
    }


def _wait_until_ready(process: subprocess.Popen[bytes], service: LiveService) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while not _answers_ready(service):
        if process.poll() is not None:
            raise ServiceFailed(f"it ended with {process.returncode} before it was ready:\n{_tail(service)}")
        if time.monotonic() > deadline:
            raise ServiceFailed(f"not ready after {READY_WITHIN_SECONDS} s:\n{_tail(service)}")
        time.sleep(POLL_SECONDS)


def _answers_ready(service: LiveService) -> bool:
    connection = http.client.HTTPConnection(service.host, timeout=READY_WITHIN_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False  # it does not listen yet
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes], service: LiveService) -> None:
    process.terminate()
    try:
        process.wait(STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise ServiceFailed(f"not stopped after {STOPPED_WITHIN_SECONDS} s:\n{_tail(service)}") from None


def _tail(service: LiveService) -> str:
    return service.log.read_text(errors="replace")[-4000:]
