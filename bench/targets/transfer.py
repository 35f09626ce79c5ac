"""Measure upload and download of a large file, beside one copy of the same file through one loopback socket.

The copy is what the standard library gives: ``socket.sendfile`` on one side, ``recv_into`` and ``write`` on the other,
in two processes. Up, the service is the receiving side, and writes a new file; down, it is the sending one, and we
write over a file that is there. Each is beside a copy that does the same: what new pages cost is the machine's mood.
A new file is written right after the one of the turn before was deleted, and the first turn, which may take pages that
the machine has to get from its host first, does not count.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import socket
import statistics
import time
from pathlib import Path
from typing import Any

from bench import service
from bench.programs import IMPORTS
from bench.targets.footprint import Watching

MiB = 1 << 20
_BLOCK = MiB
_BOUNDARY = "-" * 26 + "8" * 24
"""In the shape that LibreChat's client (npm's form-data) gives it."""

_TURNS = 5
"""With the one that does not count."""


def measure(mebibytes: int) -> dict[str, Any]:
    """Return speeds in MiB a second, their ratios, and how much the service's memory grew meanwhile."""
    limit = str((mebibytes + 64) * MiB)
    with service.running("transfer", UPLOAD_MAX_BYTES=limit) as running:
        running.execute("py", IMPORTS)  # what the service starts in the background is there then
        source = running.store / "source"
        _write(source, mebibytes)
        target = running.store / "copy"
        seconds: dict[str, list[float]] = {"copy": [], "copy_over": [], "upload": [], "download": []}
        path = ""
        with Watching(running.account) as watching:
            for _ in range(_TURNS):  # in turn, so that the machine's moods hit all alike
                target.unlink(missing_ok=True)
                seconds["copy"].append(_copy(source, target))
                if path:
                    running.ask("DELETE", path.replace("/download/", "/files/"))
                took, path = _upload(running, source)
                seconds["upload"].append(took)
                seconds["copy_over"].append(_copy(source, target))
                seconds["download"].append(_download(running, path, target, source.stat().st_size))
    speed = {name: mebibytes / statistics.median(times[1:]) for name, times in seconds.items()}
    return {
        "mebibytes": mebibytes,
        **{f"{name}_mib_per_second": value for name, value in speed.items()},
        "upload_ratio": speed["upload"] / speed["copy"],
        "download_ratio": speed["download"] / speed["copy_over"],
        "memory_growth_mib": watching.growth_bytes / MiB,
    }


def _write(path: Path, mebibytes: int) -> None:
    block = os.urandom(MiB)
    with path.open("wb") as stream:
        for _ in range(mebibytes):
            stream.write(block)


def _copy(source: Path, target: Path) -> float:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sending = multiprocessing.get_context("fork").Process(target=_send, args=(server.getsockname()[1], source))
        sending.start()
        connection, _ = server.accept()
        start = time.perf_counter()
        with connection, _open_to_write(target) as stream:
            _receive(connection, stream, source.stat().st_size)
        took = time.perf_counter() - start
        sending.join()
    return took


def _open_to_write(target: Path) -> Any:
    return target.open("r+b" if target.exists() else "wb")


def _send(port: int, source: Path) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection, source.open("rb") as stream:
        connection.sendfile(stream)


def _receive(connection: socket.socket, stream: Any, left: int) -> None:
    buffer = memoryview(bytearray(_BLOCK))
    while left > 0:
        size = connection.recv_into(buffer)
        if size == 0:
            raise RuntimeError("the file was cut off")
        stream.write(buffer[:size])
        left -= size


def _upload(running: service.Service, source: Path) -> tuple[float, str]:
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'.encode()
    tail = f"\r\n--{_BOUNDARY}--\r\n".encode()
    length = len(head) + source.stat().st_size + len(tail)
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", running.port)) as connection, source.open("rb") as stream:
        kind = f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(_head(running, "POST", "/upload") + kind.encode() + head)
        connection.sendfile(stream)
        connection.sendall(tail)
        answer = b""
        while not answer.endswith(b"}"):
            answer += connection.recv(_BLOCK) or _cut_off()
    took = time.perf_counter() - start
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    return took, f"/download/{told['session_id']}/{told['files'][0]['fileId']}"


def _download(running: service.Service, path: str, target: Path, size: int) -> float:
    start = time.perf_counter()
    with socket.create_connection(("127.0.0.1", running.port)) as connection, _open_to_write(target) as stream:
        connection.sendall(_head(running, "GET", path) + b"\r\n")
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(_BLOCK) or _cut_off()
        head, _, rest = data.partition(b"\r\n\r\n")
        if not re.match(rb"HTTP/1.1 200", head):
            raise RuntimeError(head[:200].decode())
        stream.write(rest)
        _receive(connection, stream, size - len(rest))
    return time.perf_counter() - start


def _head(running: service.Service, method: str, path: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {running.key}\r\n".encode()


def _cut_off() -> bytes:
    raise RuntimeError("the service closed the connection")
