"""The whole deployment on one machine: replicas, Redis, a bucket, Daytona; each a process that can be killed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.daytona.cloud import Cloud
from tests.leases.redis_server import RedisServer
from tests.replicas.times import CLEANUP_INTERVAL_SECONDS, SESSION_TTL_SECONDS
from tests.runtime import RUNTIME
from tests.stores.moto_server import BUCKET, MotoServer, environment

ROOT: Final = Path(__file__).parents[2]
API_KEY: Final = "the-key-of-these-tests"
READY_WITHIN_SECONDS: Final = 120
STOPPED_WITHIN_SECONDS: Final = 40
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")


class Replica:
    """One process of the service, on a port that it keeps."""

    def __init__(self, name: str, directory: Path, settings: dict[str, str]) -> None:
        self.log = directory / f"{name}.log"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def start(self) -> None:
        """Start without waiting."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.replicas.replica", str(self.port)],
                cwd=self.log.parent, env={**inherited, "PYTHONPATH": str(ROOT), **self._settings},
                stdout=log, stderr=log,
            )  # fmt: skip

    def is_ready(self) -> bool:
        """Return whether it serves."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-4000:]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_WITHIN_SECONDS)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False  # it does not listen yet
        finally:
            connection.close()

    def wait(self) -> None:
        """Return when it serves."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not self.is_ready():
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it."""
        self.end(signal.SIGKILL)

    def pause(self) -> None:
        """Suspend it like a sleeping machine: afterwards it believes that no time has passed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Resume it where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(STOPPED_WITHIN_SECONDS)
            self._process = None


class Deployment:
    """All processes; a context manager starts and ends them."""

    def __init__(self, directory: Path, replicas: int) -> None:
        self.marks = directory / "shared" / "marks"
        self._directory = directory
        self.redis = RedisServer(directory)
        self.moto = MotoServer(directory)
        self.cloud = Cloud("")
        self._count = replicas
        self.replicas: list[Replica] = []

    @contextmanager
    def living(self) -> Iterator[None]:
        """Start everything, and end it in the other order."""
        with ExitStack() as ending:
            self._share()
            self.redis.start()
            ending.callback(self.redis.stop)
            self.moto.start()
            ending.callback(self.moto.kill)
            self.cloud = ending.enter_context(self._emulator())
            for number in range(self._count):
                replica = Replica(f"replica-{number}", self._directory, self._settings())
                self.replicas.append(replica)
                replica.start()
                ending.callback(replica.end)
            for replica in self.replicas:
                replica.wait()
            yield

    def _share(self) -> None:
        """Make the file in which programs leave their marks, whoever they run as."""
        self.marks.parent.mkdir()
        self.marks.touch()
        self.marks.parent.chmod(0o777)
        self.marks.chmod(0o666)

    @contextmanager
    def _emulator(self) -> Iterator[Cloud]:
        command = [sys.executable, "-m", "devtools.daytona_emulator", "--port", "0", "--no-validate"]
        command += ["--runtime", str(RUNTIME), "--shared", str(self.marks.parent)]
        with (self._directory / "emulator.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            yield Cloud(line.removeprefix("DAYTONA_API_URL=").removesuffix("/api"))
        finally:
            process.terminate()
            process.wait(STOPPED_WITHIN_SECONDS)

    def _settings(self) -> dict[str, str]:
        """Configure a replica as docs/operations.md says, with shorter times; Daytona itself stops nothing."""
        return {
            **environment(self.moto.port),
            "ADAPTER_API_KEY": API_KEY, "ADAPTER_ENGINE": "daytona",
            "DAYTONA_API_KEY": "emulator", "DAYTONA_API_URL": self.cloud.api_url, "DAYTONA_TARGET": "us",
            "DAYTONA_AUTO_STOP_MINUTES": "0",
            "REDIS_URL": self.redis.url, "FILE_STORE_URL": f"s3://{BUCKET}/replicas",
            "SESSION_TTL_SECONDS": str(SESSION_TTL_SECONDS),
            "CLEANUP_INTERVAL_SECONDS": str(CLEANUP_INTERVAL_SECONDS),
        }  # fmt: skip
