"""Start the service on loopback, on a fresh store and key, and stop it."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import http
from bench.contenders import Place
from bench.usage import Account, account

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = Path(os.environ.get("SANDBOX_RUNTIME") or ROOT / ".sandbox").resolve()
_READY_SECONDS = 60
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    port: int
    key: str
    pid: int
    account: Account
    store: Path
    started_in_seconds: float

    @property
    def place(self) -> Place:
        """Return its address and key, for its client."""
        return Place(str(RUNTIME), str(bwrap_program()), self.port, self.key)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Send one request."""
        return http.ask(self.port, self.key, method, path, body)

    def execute(self, lang: str, code: str, **more: Any) -> dict[str, Any]:
        """Run a program."""
        return http.execute(self.port, self.key, lang, code, **more)


def bwrap_program() -> Path:
    """Find the bubblewrap that the service itself uses."""
    from librechat_code_interpreter.engines.local.engine_config import find_bwrap

    return find_bwrap()


def free_port() -> int:
    """Find a port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    name: str = "service", module: tuple[str, ...] = ("app", "serve"), ready: str = "/readyz", **settings: str
) -> Iterator[Service]:
    """Start a service and wait until it is ready. Raises ``RuntimeError`` with its log."""
    port, key = free_port(), secrets.token_urlsafe(16)
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(account(name))
        store = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        env = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
        env |= {
            "HOST": "127.0.0.1", "PORT": str(port), "ADAPTER_API_KEY": key, "FILE_STORE_URL": str(store / "data"),
            "ADAPTER_ENGINE": "local", "SANDBOX_RUNTIME": str(RUNTIME), "LOG_LEVEL": "warning", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        log = stack.enter_context((store / "log").open("w+"))
        begin = time.monotonic()
        process = subprocess.Popen(
            group.into([sys.executable, "-m", *module]), env=env | settings, cwd=ROOT, stdout=log, stderr=log
        )
        stack.callback(_end, process)
        _wait(process, port, key, ready, store / "log")
        yield Service(port, key, process.pid, group, store, time.monotonic() - begin)


def _wait(process: subprocess.Popen[bytes], port: int, key: str, path: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            if http.ask(port, key, "GET", path)[0] == 200:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the service did not get ready: {log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
