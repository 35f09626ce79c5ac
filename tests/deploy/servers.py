"""Start a server for a test, wait until it answers, and end it."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.tools import BIN

_READY_WITHIN_SECONDS = 60
_POLL_SECONDS = 0.05


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(url: str, log: Path, name: str, *arguments: str, **env: str) -> Iterator[None]:
    """Run a server until the end of the block; the block starts when it answers at the address."""
    with log.open("wb") as stream, subprocess.Popen(
        [BIN / name, *arguments], cwd=log.parent, env=env, stdout=stream, stderr=stream
    ) as process:  # fmt: skip
        try:
            _wait(url, process, log)
            yield
        finally:
            process.kill()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return  # an answer, too
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(_POLL_SECONDS)
