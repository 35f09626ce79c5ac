"""A real S3 server for tests, moto's, as a process of its own that speaks HTTP; it keeps everything in its memory."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import time
from pathlib import Path

PYTHON = Path(__file__).parents[2] / ".cache" / "moto" / "bin" / "python"
BUCKET = "files-of-tests"
STARTED_WITHIN_SECONDS = 60
POLL_SECONDS = 0.02


class MotoServer:
    """Start and kill one server on a free port of the loopback."""

    def __init__(self, directory: Path) -> None:
        assert PYTHON.exists(), "moto is not installed; `make test` does that, or tools/test_tools.sh alone"
        self._log = directory / "moto.log"
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def start(self) -> None:
        """Start, make an empty bucket, and return."""
        command = [str(PYTHON), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + STARTED_WITHIN_SECONDS
        while not self._has_bucket():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline
            time.sleep(POLL_SECONDS)

    def _has_bucket(self) -> bool:
        try:
            return self.ask("PUT", f"/{BUCKET}")[0] == http.HTTPStatus.OK
        except OSError:
            return False  # it does not listen yet

    def ask(self, method: str, path: str) -> tuple[int, bytes]:
        """Send one request as it is; give status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STARTED_WITHIN_SECONDS)
        try:
            connection.request(method, path, headers={"Content-Length": "0"})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def pause(self) -> None:
        """Stop it by SIGSTOP: connections stay, answers do not arrive."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it continue with the requests received in the meantime."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it, with all its data."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def environment(port: int) -> dict[str, str]:
    """Return the bucket's place and credentials, in the variables that S3's clients read."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "of-these-tests", "AWS_SECRET_ACCESS_KEY": "of-these-tests",
    }  # fmt: skip
