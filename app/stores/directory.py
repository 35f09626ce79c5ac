"""Read files of a directory straight: through obstore that is a third as fast as a loopback socket takes them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from app.core.errors import NotFound, StoreUnavailable

_CHUNK_BYTES = 1 << 20


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
