"""Keep records and files in an object store: a local directory, memory, S3, GCS or Azure, all through ``obstore``.

    records/<session id>.json          one small object for a session; its time of change is the session's last use
    files/<session id>/<file id>       the bytes

Keys are ids, never names that a user chose. A write shows up whole or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from app.core.errors import NotFound, StoreUnavailable, TooLarge
from app.core.ids import is_id
from app.core.ports import Chunks, Written
from app.core.session import Record

T = TypeVar("T")

_PART_BYTES = 5 * 1024 * 1024
"""The smallest part that S3 takes; with two at once in flight an upload holds about 15 MiB."""

_PARTS_AT_ONCE = 2
_READ_BYTES = 1024 * 1024


def open_store(url: str) -> ObjectStore:
    """Open the store that ``FILE_STORE_URL`` names: a directory, or a URL that obstore knows."""
    if "://" not in url:
        directory = Path(url).absolute()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStore(directory)
    if url.startswith("file://"):
        return open_store(url.removeprefix("file://"))
    return from_url(url)


class ObjectFiles:
    """Implement the file store on an object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}

    async def load(self, session_id: str) -> Record | None:
        """Read a session's record, or ``None``."""
        if not is_id(session_id):
            return None
        try:
            found = await obstore.get_async(self._store, _record_key(session_id))
            return Record.model_validate_json(bytes(await found.bytes_async()))
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def change(self, session_id: str, apply: Callable[[Record], T]) -> T:
        """Load, apply and write back, one change of a session at a time. Raises ``NotFound``."""
        async with self._turn(session_id):
            record = await self.load(session_id)
            if record is None:
                raise NotFound("There is no such session.")
            result = apply(record)
            await self.create(record)
            return result

    @asynccontextmanager
    async def _turn(self, session_id: str) -> AsyncIterator[None]:
        lock, users = self._turns.get(session_id, (asyncio.Lock(), 0))
        self._turns[session_id] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._turns[session_id]
            if users == 1:
                del self._turns[session_id]
            else:
                self._turns[session_id] = (lock, users - 1)

    async def create(self, record: Record) -> None:
        """Write a record whole."""
        body = record.model_dump_json(exclude_defaults=True).encode()
        try:
            await obstore.put_async(self._store, _record_key(record.id), body)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def write(self, session_id: str, file_id: str, chunks: Chunks, max_bytes: int | None = None) -> Written:
        """Store a file's bytes as they come; nothing is kept when they do not come to a good end."""
        counted = _Counted(chunks, max_bytes)
        putting = asyncio.ensure_future(
            obstore.put_async(
                self._store,
                _file_key(session_id, file_id),
                counted.stream(),
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
        )
        try:
            await asyncio.shield(putting)
        except asyncio.CancelledError:
            counted.is_stopped = True  # the store sees an error at the next chunk and takes everything back
            raise
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error
        return Written(counted.size, f'"{file_id}"')

    async def read(self, session_id: str, file_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read a file's bytes in chunks of about a mebibyte. Raises ``NotFound``."""
        try:
            found = await obstore.get_async(self._store, _file_key(session_id, file_id), options=_range(start, end))
            async for chunk in found.stream(min_chunk_size=_READ_BYTES):
                yield bytes(chunk)
        except FileNotFoundError as error:
            raise NotFound("There is no such file.") from error
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def erase(self, session_id: str, file_ids: Sequence[str] | None = None) -> None:
        """Delete files' bytes; with ``None`` the whole session, record first: no record names a missing file."""
        try:
            if file_ids is None:
                await self._delete([_record_key(session_id)])
                listed = await obstore.list(self._store, prefix=f"files/{session_id}").collect_async()
                await self._delete([item["path"] for item in listed])
            else:
                await self._delete([_file_key(session_id, file_id) for file_id in file_ids])
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def _delete(self, keys: list[str]) -> None:
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue

    async def idle_since(self, seconds: float) -> list[str]:
        """Give the sessions whose record was last written more than ``seconds`` ago."""
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        try:
            listed = await obstore.list(self._store, prefix="records").collect_async()
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error
        return [_session_of(item["path"]) for item in listed if item["last_modified"] < before]

    async def probe(self) -> None:
        """Write, read and delete a small object. Raises ``StoreUnavailable``."""
        key = f"probe/{id(self)}"
        try:
            await obstore.put_async(self._store, key, b"42")
            await obstore.get_async(self._store, key)
            await obstore.delete_async(self._store, key)
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error


class _Counted:
    """Pass chunks on, count them, and stop at a limit or when told to."""

    def __init__(self, chunks: Chunks, max_bytes: int | None) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self.size = 0
        self.is_stopped = False

    async def stream(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            self.size += len(chunk)
            if self._max_bytes is not None and self.size > self._max_bytes:
                raise TooLarge(f"The file is larger than {self._max_bytes} bytes.")
            if self.is_stopped:
                raise ConnectionAbortedError("the writer was cancelled")
            yield chunk


def _range(start: int, end: int | None) -> obstore.GetOptions | None:
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else None


def _record_key(session_id: str) -> str:
    return f"records/{session_id}.json"


def _file_key(session_id: str, file_id: str) -> str:
    return f"files/{session_id}/{file_id}"


def _session_of(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")


def _unavailable(error: Exception) -> StoreUnavailable:
    failure = StoreUnavailable("The file store does not answer.")
    failure.__cause__ = error
    return failure
