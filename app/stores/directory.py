"""Do with a directory what obstore does not: read its files fast, and remove what a killed writer left.

Through obstore, reading is a third as fast as a loopback socket takes it.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress

from app.core.errors import NotFound, StoreUnavailable

_CHUNK_BYTES = 1 << 20
_UNFINISHED = re.compile(r"#\d+$")
"""How obstore names a file until it is whole; it lists none of them, and no key of ours looks like it."""


async def read_file(path: str, start: int, end: int | None) -> AsyncIterator[bytes]:
    """Read a file's bytes, ``end`` not included; one that is erased meanwhile is read to its end.

    Raises ``NotFound`` and ``StoreUnavailable``.
    """
    try:
        descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound("There is no such file.") from None
    except OSError as error:
        raise StoreUnavailable("The file store does not answer.") from error
    try:
        while end is None or start < end:
            size = _CHUNK_BYTES if end is None else min(_CHUNK_BYTES, end - start)
            chunk = await asyncio.to_thread(os.pread, descriptor, size, start)
            if not chunk:
                return
            start += len(chunk)
            yield chunk
    except OSError as error:
        raise StoreUnavailable("The file store does not answer.") from error
    finally:
        os.close(descriptor)


def remove_unfinished(directory: str, before: float) -> int:
    """Remove the files that were never finished, last written before then (seconds since the epoch); give their number.

    Their directory goes too when it is empty. Raises ``OSError``.
    """
    removed = 0
    for place, _, names in os.walk(directory):
        for path in (os.path.join(place, name) for name in names if _UNFINISHED.search(name)):
            with suppress(FileNotFoundError):  # its writer was alive after all, and has finished it
                if os.stat(path).st_mtime < before:
                    os.unlink(path)
                    removed += 1
        if removed and not os.listdir(place):
            with suppress(OSError):  # somebody writes there again
                os.rmdir(place)
    return removed
