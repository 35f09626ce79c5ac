"""Stream a file into a store and out again, and print the peak of memory in bytes.

``python -m tests.stores.streamer URL``: in a process of its own, whose memory is nobody else's.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore

MiB = 1 << 20
PIECES = 64
"""Of a mebibyte each."""


async def _pieces() -> AsyncIterator[bytes]:
    for number in range(PIECES):
        yield bytes([number]) * MiB


def _most_bytes() -> int:
    """Return the most memory that this process ever had (``getrusage`` would count its parent's too)."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


async def _stream(url: str) -> None:
    files, session_id, file_id = SessionStore(open_blobs(url)), new_id(), new_id()
    await files.probe()  # code and connections are there now
    written, read = hashlib.sha256(), hashlib.sha256()
    async for piece in _pieces():
        written.update(piece)
    before = _most_bytes()
    await files.write(session_id, file_id, _pieces())
    async for chunk in files.read(session_id, file_id):
        read.update(chunk)
    assert read.digest() == written.digest()
    print(_most_bytes() - before, flush=True)
    os._exit(0)  # Python 3.11 may crash at its end while a thread of obstore lets go of an object


if __name__ == "__main__":
    asyncio.run(_stream(sys.argv[1]))
