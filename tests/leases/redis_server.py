"""A real redis-server for tests: on a free port of the loopback, in a directory of its own."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path

import redis

PASSWORD = "the-password-of-these-tests"
STARTED_WITHIN_SECONDS = 60


class RedisServer:
    """Starts, pauses and kills one server; it keeps nothing on disk, so a restart loses all its data."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = int(probe.getsockname()[1])
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self._port}/0"
        self.admin = redis.Redis.from_url(self.url, decode_responses=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it answers."""
        options = {
            "port": str(self._port), "bind": "127.0.0.1", "dir": str(self._directory), "save": "",
            "appendonly": "no", "requirepass": PASSWORD, "daemonize": "no", "logfile": "redis.log",
        }  # fmt: skip
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(["redis-server", *arguments])
        deadline = time.monotonic() + STARTED_WITHIN_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._directory / "redis.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.admin.ping())
        return False

    def pause(self) -> None:
        """Stop it by SIGSTOP: connections stay, answers do not arrive."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it continue with the requests received in the meantime."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, with all its data."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """End it if it runs."""
        if self._process is not None:
            self.kill()
        self.admin.close()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def commands(self) -> dict[str, int]:
        """Count the commands that came since the last ``CONFIG RESETSTAT``, those of scripts included."""
        stats = self.admin.info("commandstats")
        return {name.removeprefix("cmdstat_"): value["calls"] for name, value in stats.items()}
