"""Files stream through the service: its memory does not grow with their size (K36, K40)."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from librechat_code_interpreter.units import MiB
from tests.contract import live
from tests.service import LiveService, running_service

SIZE = 300 * MiB
MAY_GROW = 64 * MiB
PIECE = bytes(range(256)) * 4096


@pytest.fixture(scope="module")
def roomy_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """Run a service that takes large files."""
    limits = {"UPLOAD_MAX_BYTES": "1GiB", "ARTIFACT_MAX_BYTES": "1GiB"}
    with running_service(tmp_path_factory.mktemp("roomy"), **limits) as service:
        yield service


class Memory:
    """Watch the resident memory of the server process itself."""

    def __init__(self, service: LiveService) -> None:
        self._process = server_process(service)
        (self._process / "clear_refs").write_text("5")  # the peak is counted from now on
        self._before = self._bytes("VmRSS")

    def _bytes(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+) kB$", (self._process / "status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def grown(self) -> int:
        """Return the bytes by which the peak lies above the start."""
        return self._bytes("VmHWM") - self._before


def server_process(service: LiveService) -> Path:
    """Find the process that listens for this service."""
    port = service.host.rpartition(":")[2].encode()
    (found,) = [
        process
        for process in Path("/proc").glob("[0-9]*")
        if (line := live.cmdline(process).split(b"\0"))[-3:] == [b"--port", port, b""] and b"app.main:app" in line
    ]
    return found


def uploaded(service: LiveService, size: int) -> tuple[str, str]:
    """Upload a file as it is made; give session and file."""
    upload = live.Upload(service)
    with live.connected(service) as connection:
        connection.sendall(upload.head(size) + upload.start)
        for _ in range(size // len(PIECE)):
            connection.sendall(PIECE)
        connection.sendall(upload.end)
        status, answer = live.answer_on(connection)
    assert (status, answer["files"][0]["size"]) == (200, size)
    return answer["session_id"], answer["files"][0]["fileId"]


def downloaded(service: LiveService, session_id: str, file_id: str) -> int:
    """Download a file, check its bytes as they come, and count them."""
    connection = http.client.HTTPConnection(service.host, timeout=live.WITHIN_SECONDS)
    connection.request("GET", f"/download/{session_id}/{file_id}", headers={"X-API-Key": service.api_key})
    answer = connection.getresponse()
    size = 0
    while piece := answer.read(len(PIECE)):
        assert piece == PIECE[: len(piece)]
        size += len(piece)
    connection.close()
    return size


def test_memory_stays_flat_while_a_large_file_goes_in_and_out(roomy_service: LiveService) -> None:
    """K36, K40: 300 MB uploaded, staged, delivered as an output and downloaded raise it by less than 64 MiB each."""
    downloaded(roomy_service, *uploaded(roomy_service, len(PIECE)))  # what the first transfer loads is not counted
    memory = Memory(roomy_service)
    session_id, file_id = uploaded(roomy_service, SIZE)
    assert memory.grown() < MAY_GROW, "the upload"
    assert downloaded(roomy_service, session_id, file_id) == SIZE
    assert memory.grown() < MAY_GROW, "the download"
    with live.connected(roomy_service) as connection:
        code = "mv big.bin moved.bin; stat -c %s moved.bin"
        connection.sendall(live.exec_request(roomy_service, lang="bash", code=code, session_id=session_id))
        status, answer = live.answer_on(connection)
    assert (status, answer["stdout"], answer["stderr"]) == (200, f"{SIZE}\n", "")
    assert memory.grown() < MAY_GROW, "the run"
    assert downloaded(roomy_service, session_id, answer["files"][0]["id"]) == SIZE
