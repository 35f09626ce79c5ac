"""Session store: records and file bytes in blobs.

    records/<session id>.json          one small object for a session; its time of change is the session's last use
    files/<session id>/<file id>       the bytes

Keys are ids, never names chosen by a user. Several replicas may change the records of a bucket at once. Each change
names the version that it read, and is repeated if that is no longer the latest.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from librechat_code_interpreter.core.aio import finish
from librechat_code_interpreter.core.errors import Conflict, NotFound, StoreUnavailable, TooLarge
from librechat_code_interpreter.core.ids import is_id, new_id
from librechat_code_interpreter.core.protocols import Chunks, Written
from librechat_code_interpreter.core.session import Record
from librechat_code_interpreter.stores.blobs import STORE_ERRORS, Blob, Blobs

if TYPE_CHECKING:  # known to type checkers only
    from obstore import PutMode

T = TypeVar("T")

_ATTEMPTS = 30
"""Attempts to change one record while other replicas are faster; each of them can be faster once at a time."""

_MAX_PAUSE_SECONDS = 0.2


class SessionStore:
    """Implements ``FileStore`` and ``Retention``."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self._honours_conditions = False
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # --- records -----------------------------------------------------------------------------------------------------

    async def load(self, session_id: str) -> Record | None:
        """Read a session's record; ``None`` if there is none."""
        found = await self._get_record(session_id)
        return Record.model_validate_json(found.body) if found else None

    async def _get_record(self, session_id: str) -> Blob | None:
        if not is_id(session_id):
            return None
        with _store_errors(), suppress(FileNotFoundError):
            return await self.blobs.get(record_key(session_id))
        return None

    async def change(self, session_id: str, apply: Callable[[Record], T]) -> T:
        """Load a record, apply the change, write it back; retry if another replica was faster. Raises ``NotFound``."""
        async with self._lock(session_id):
            for attempt in range(_ATTEMPTS):
                found = await self._get_record(session_id)
                if found is None:
                    raise NotFound("There is no such session.")
                record = Record.model_validate_json(found.body)
                result = apply(record)
                if await self._put_record(record, found.version):
                    return result
                await asyncio.sleep(random.uniform(0, min(0.005 * 2**attempt, _MAX_PAUSE_SECONDS)))  # noqa: S311
        raise StoreUnavailable("Too many writers change this session at once.")

    async def create(self, record: Record) -> None:
        """Write the record of a new session. Raises ``Conflict`` if it already exists."""
        async with self._lock(record.id):
            if not await self._put_record(record, "create"):
                raise Conflict("There is such a session already.")

    async def _put_record(self, record: Record, condition: PutMode) -> bool:
        body = record.model_dump_json(exclude_none=True).encode()  # always with its times, whose default is now
        with _store_errors():
            return await self.blobs.put(record_key(record.id), body, condition)

    def _lock(self, session_id: str) -> asyncio.Lock:
        """Return the lock of a session's record in this process; it lives as long as somebody uses it."""
        return self._locks.setdefault(session_id, asyncio.Lock())

    # --- file bytes --------------------------------------------------------------------------------------------------

    async def write(self, session_id: str, file_id: str, chunks: Chunks, max_bytes: int | None = None) -> Written:
        """Store a file's bytes as they arrive; nothing is kept after an error or a cancellation."""
        counted = _CountedChunks(chunks, max_bytes)
        key = file_key(session_id, file_id)
        try:
            with _store_errors():
                await finish(self.blobs.write(key, counted.stream()), partial(self._delete_written, key))
        except asyncio.CancelledError:
            counted.is_stopped = True  # the blobs see an error at the next chunk and remove everything
            raise
        return Written(counted.size, f'"{file_id}"')

    async def _delete_written(self, key: str, _: None) -> None:
        with suppress(*STORE_ERRORS):  # no record names the file
            await self.blobs.delete([key])

    async def read(self, session_id: str, file_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read a file's bytes in chunks; the reader may take any time. Raises ``NotFound``."""
        if not (is_id(session_id) and is_id(file_id)):
            raise NotFound("There is no such file.")
        try:
            async for chunk in self.blobs.read(file_key(session_id, file_id), start, end):
                yield chunk
        except FileNotFoundError as error:
            raise NotFound("There is no such file.") from error
        except STORE_ERRORS as error:
            raise StoreUnavailable("The file store does not answer.") from error

    async def erase(self, session_id: str, file_ids: Sequence[str] | None = None) -> None:
        """Delete files' bytes; with ``None`` the complete session, record first: no record names a missing file."""
        with _store_errors():
            if file_ids is not None:
                await self.blobs.delete([file_key(session_id, file_id) for file_id in file_ids])
                return
            async with self._lock(session_id):  # a change in progress would write the record again
                await self.blobs.delete([record_key(session_id)])
            listed = [key async for page in self.blobs.list(f"files/{session_id}") for key, _ in page]
            await self.blobs.delete(listed)

    # --- expiry ------------------------------------------------------------------------------------------------------

    async def idle_since(self, time: float) -> list[str]:
        """Return the sessions whose record was last written before ``time`` (seconds since the epoch).

        Includes sessions without a record whose newest file is that old: a process died before it wrote the record.
        """
        before = datetime.fromtimestamp(time, UTC)
        idle: list[str] = []
        recorded: set[str] = set()
        with _store_errors():
            async for page in self.blobs.list("records"):
                idle += [_session_of(key) for key, modified in page if modified < before]
                recorded.update(_session_of(key) for key, _ in page)
            unrecorded = {_session_of(directory) for directory in await self.blobs.list_directories("files")}
            return idle + [session for session in unrecorded - recorded if await self._is_abandoned(session, before)]

    async def _is_abandoned(self, session_id: str, before: datetime) -> bool:
        """Return whether a session has files and all of them are older than ``before``."""
        times = [modified async for page in self.blobs.list(f"files/{session_id}") for _, modified in page]
        return max(times, default=before) < before

    async def is_idle(self, session_id: str, time: float) -> bool:
        """Return whether one session is idle now; a deleted session counts as idle."""
        found = await self._get_record(session_id)
        return found is None or found.modified < datetime.fromtimestamp(time, UTC)

    async def recent(self, most: int) -> tuple[list[str], int]:
        """Return at most ``most`` sessions, the last written records first, and the number of all sessions.

        This reads the names of all records, as each cleanup does, and keeps at most ``most`` of them.
        """
        newest: list[tuple[datetime, str]] = []
        total = 0
        with _store_errors():
            async for page in self.blobs.list("records"):
                total += len(page)
                found = ((modified, key) for key, modified in page)
                newest = heapq.nlargest(most, itertools.chain(newest, found))
        return [_session_of(key) for _, key in newest], total

    async def remove_unfinished(self, time: float) -> int:
        """Remove what killed writers left before ``time`` (seconds since the epoch); return the number of objects."""
        with _store_errors():
            return await self.blobs.remove_unfinished(time)

    # --- health ------------------------------------------------------------------------------------------------------

    async def probe(self) -> None:
        """Write, read and delete a small object. Raises ``StoreUnavailable``.

        Until it is confirmed once, the call also checks that the store honours conditional writes. Some S3-compatible
        stores ignore them, and then changes by several replicas would overwrite each other.
        """
        key = f"probe/{new_id()}"
        with _store_errors():
            await self.blobs.put(key, b"42")
            first = await self.blobs.get(key)
            self._honours_conditions = self._honours_conditions or await self._refuses_stale(key, first.version)
            await self.blobs.delete([key])
        if not self._honours_conditions:
            raise StoreUnavailable("The file store ignores conditional writes (If-Match), so it cannot be shared.")

    async def _refuses_stale(self, key: str, version: PutMode) -> bool:
        if version == "overwrite":  # one process writes there, and ``_lock`` orders its changes
            return True
        await self.blobs.put(key, b"43")
        try:
            return not await self.blobs.put(key, b"44", version)
        except NotImplementedError:  # disabled in the environment
            return False


class _CountedChunks:
    """Forwards and counts chunks; stops at a limit or on request."""

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


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn the errors of the storage into the one that a client receives."""
    try:
        yield
    except STORE_ERRORS as error:
        raise StoreUnavailable("The file store does not answer.") from error


def record_key(session_id: str) -> str:
    """Return the key of a session's record."""
    return f"records/{session_id}.json"


def file_key(session_id: str, file_id: str) -> str:
    """Return the key of a file's bytes."""
    return f"files/{session_id}/{file_id}"


def _session_of(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")
