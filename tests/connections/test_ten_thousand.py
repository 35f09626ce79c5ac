"""Ten thousand idle or half-open connections delay no other client."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from librechat_code_interpreter.api.connection_limits import max_connections
from librechat_code_interpreter.units import KiB
from tests.contract import live
from tests.contract.test_memory import server_process
from tests.service import LiveService, running_service

WANTED = 10_000
KiB_EACH = 24
"""What one of them may cost the service; with uvloop it is about half of this."""

LISTENS = "0A"
STARTS = (
    b"",
    b"P",
    b"POST /exec HTTP/1.1\r\nHost: x\r\n",
    b"POST /exec HTTP/1.1\r\nHost: x\r\nX-API-Key: wrong\r\nX: ",
)


@pytest.fixture(scope="module")
def crowded_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """Run a service of our own, whose descriptors nobody else changes."""
    with running_service(tmp_path_factory.mktemp("crowded")) as service:
        yield service


@contextmanager
def many_descriptors() -> Iterator[int]:
    """Raise the descriptor limit of this process; return the number of connections that both sides can have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield min(WANTED, max_connections() - 50)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def held_connections(process: Path) -> int:
    """Count the descriptors of the service that are connections of its clients."""
    rows = [row.split() for row in (process / "net" / "tcp").read_text().splitlines()[1:]]
    port = int(live.cmdline(process).split(b"\0")[-2])
    clients = {f"socket:[{row[9]}]" for row in rows if int(row[1].partition(":")[2], 16) == port and row[3] != LISTENS}
    return sum(_link(entry) in clients for entry in (process / "fd").iterdir())


def _link(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except FileNotFoundError:  # closed while we looked
        return ""


def resident_bytes(process: Path) -> int:
    """Return the service's memory."""
    pages = int((process / "statm").read_text().split()[1])
    return pages * resource.getpagesize()


def served(service: LiveService, session_id: str | None = None) -> str:
    """Run a program, list the session's files; return the session."""
    with live.connected(service) as connection:
        code = "echo here | tee a.txt"
        connection.sendall(live.exec_request(service, lang="bash", code=code, session_id=session_id))
        status, ran = live.answer_on(connection)
    with live.connected(service) as connection:
        connection.sendall(live.head(service, "GET", f"/files/{ran['session_id']}?detail=simple"))
        listed = live.answer_on(connection)
    assert (status, ran["stdout"], listed[0], len(listed[1])) == (200, "here\n", 200, 1)
    return str(ran["session_id"])


def test_ten_thousand_idle_connections_hold_nobody_up(crowded_service: LiveService) -> None:
    """Meanwhile a run and a listing are answered; each connection costs 24 KiB at most; all descriptors are freed."""
    process = server_process(crowded_service)
    host, port = crowded_service.host.split(":")
    session_id = served(crowded_service)
    memory = resident_bytes(process)
    with many_descriptors() as count, ExitStack() as held:
        for number in range(count):
            connection = held.enter_context(socket.create_connection((host, int(port)), live.WITHIN_SECONDS))
            connection.sendall(STARTS[number % len(STARTS)])
        assert live.until(lambda: held_connections(process) == count)
        served(crowded_service, session_id)
        each = (resident_bytes(process) - memory) / count
        print(f"{count} idle connections, {each / KiB:.1f} KiB each")
        assert each < KiB_EACH * KiB
    assert live.until(lambda: held_connections(process) == 0)
    served(crowded_service, session_id)
    assert "Traceback" not in crowded_service.log.read_text()
