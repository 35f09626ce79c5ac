"""The service as a process that is stopped or killed, and restarted on the same port and store."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from attack.own_service import descendants
from tests.runtime import RUNTIME

ROOT: Final = Path(__file__).parents[2]
API_KEY: Final = "the-key-of-these-tests"
READY_WITHIN_SECONDS: Final = 90
STOPPED_WITHIN_SECONDS: Final = 60
POLL_SECONDS: Final = 0.01
_INHERITED = ("PATH", "HOME", "LANG")
UVICORN = ("uvicorn", "app.main:app")
SERVE = ("app", "serve")
IMPATIENT = ("tests.faults.impatient",)


class Process:
    """One service on the local engine, with few warm jails, since it is started often."""

    def __init__(self, directory: Path, settings: dict[str, str], command: tuple[str, ...] = UVICORN) -> None:
        self.directory = directory
        self.store = directory / "store"
        self.log = directory / "service.log"
        self.tmp = directory / "tmp"
        self.tmp.mkdir(parents=True)
        directory.chmod(0o755)
        self.tmp.chmod(0o755)
        self.settings = settings
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def start(self) -> None:
        """Start without waiting."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment = {
            **inherited, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.tmp), "SANDBOX_RUNTIME": str(RUNTIME),
            "HOST": "127.0.0.1", "PORT": str(self.port), "ADAPTER_API_KEY": API_KEY, "ADAPTER_ENGINE": "local",
            "FILE_STORE_URL": str(self.store), "SANDBOX_PRELOAD": "none", "SANDBOX_STANDBY": "1", **self.settings,
        }  # fmt: skip
        listening = ["--port", str(self.port)] if self._command == UVICORN else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command, *listening],
                cwd=self.directory, env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Name the process."""
        assert self._process is not None
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether it runs."""
        return self._process is not None and self._process.poll() is None

    def wait_until_ready(self, path: str = "/readyz") -> None:
        """Return when it serves requests."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while self.status(path) != http.HTTPStatus.OK:
            assert self.is_alive(), self.tail()
            assert time.monotonic() < deadline, self.tail()
            time.sleep(POLL_SECONDS)

    def status(self, path: str) -> int:
        """Send a request on a new connection; 0 when there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_WITHIN_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def tell(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; give the exit code as `subprocess` has it."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, STOPPED_WITHIN_SECONDS)

    def end(self, number: int = signal.SIGTERM) -> int:
        """End it, if it runs."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        try:
            return self._process.wait(STOPPED_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process = None

    def below(self) -> list[int]:
        """Name the processes that it started, and theirs."""
        return descendants(self.pid)

    def client(self) -> httpx.AsyncClient:
        """Make a client with the key, without kept connections: an idle one is a descriptor of the service."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", headers={"X-API-Key": API_KEY}, timeout=READY_WITHIN_SECONDS,
            limits=httpx.Limits(max_keepalive_connections=0),
        )  # fmt: skip

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-4000:]


@contextlib.contextmanager
def living(process: Process) -> Iterator[Process]:
    """Start a service, and end it if it still runs."""
    process.start()
    try:
        process.wait_until_ready()
        yield process
    finally:
        if process.is_alive():
            process.end(signal.SIGKILL)


async def until(happened: Callable[[], bool], what: str) -> None:
    """Return when a condition in another process is true."""
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"it never came about: {what}"
        await asyncio.sleep(POLL_SECONDS)


def called(name: str, pids: list[int]) -> int | None:
    """Find a process by a word of its command line."""
    for pid in pids:
        with contextlib.suppress(OSError):
            if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return None
