"""File store on an object store: a local directory, memory, S3, GCS or Azure, all through ``obstore``.

    records/<session id>.json          one small object for a session; its time of change is the session's last use
    files/<session id>/<file id>       the bytes

Keys are ids, never names chosen by a user. Writes are atomic. Several replicas may change the records of a bucket at
once. Each change names the version that it read, and is repeated if that is no longer the latest. A directory has no
such condition, so it belongs to one process: see ``directory``.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import LocalStore, ObjectStore, from_url

from librechat_code_interpreter.core.errors import Conflict, NotFound, StoreUnavailable, TooLarge
from librechat_code_interpreter.core.ids import is_id, new_id
from librechat_code_interpreter.core.protocols import Chunks, Written
from librechat_code_interpreter.core.session import Record

T = TypeVar("T")

_PART_BYTES = 5 * 1024 * 1024
"""Smallest part that S3 accepts; with two parts in flight an upload needs about 15 MiB."""

_PARTS_AT_ONCE = 2
_GATHER_BYTES = 1024 * 1024
_READ_BYTES = 1024 * 1024

_ATTEMPTS = 30
"""Attempts to change one record while other replicas are faster; each of them can be faster once at a time."""

_LONGEST_PAUSE_SECONDS = 0.2

_RETRIES: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
"""Shorter than obstore's own three minutes, because a client waits for the response."""


def open_store(url: str) -> ObjectStore:
    """Open the store of ``FILE_STORE_URL``: a directory, or a URL that obstore supports.

    Credentials and endpoints of buckets come from the environment. Raises obstore's ``BaseError`` and ``OSError``.
    """
    if "://" not in url:
        directory = Path(url).absolute()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStore(directory, automatic_cleanup=True)  # else each session leaves an empty directory
    if url.startswith("file://"):
        return open_store(url.removeprefix("file://"))
    return from_url(url) if url.startswith("memory:") else from_url(url, retry_config=_RETRIES)


class ObjectFiles:
    """File store on an object store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._keeps_conditions = False
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._unwinding: set[asyncio.Future[Any]] = set()

    async def load(self, session_id: str) -> Record | None:
        """Read a session's record; ``None`` if there is none."""
        found = await self._load(session_id)
        return found[0] if found else None

    async def _load(self, session_id: str) -> tuple[Record, obstore.PutMode] | None:
        """Read a record, and return it with the condition for replacing it."""
        if not is_id(session_id):
            return None
        try:
            body, condition = await self._get(record_key(session_id))
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise unavailable(error) from error
        return Record.model_validate_json(body), condition

    async def _get(self, key: str) -> tuple[bytes, obstore.PutMode]:
        """Read a small object, and return it with the condition for replacing it."""
        found = await obstore.get_async(self._store, key)
        return bytes(await found.bytes_async()), _unless_changed(found.meta)

    async def change(self, session_id: str, apply: Callable[[Record], T]) -> T:
        """Load a record, apply the change, write it back; retry if another replica was faster. Raises ``NotFound``."""
        async with self._turn(session_id):
            for attempt in range(_ATTEMPTS):
                found = await self._load(session_id)
                if found is None:
                    raise NotFound("There is no such session.")
                record, condition = found
                result = apply(record)
                if await self._put_record(record, condition):
                    return result
                await asyncio.sleep(random.uniform(0, min(0.005 * 2**attempt, _LONGEST_PAUSE_SECONDS)))  # noqa: S311
        raise StoreUnavailable("Too many writers change this session at once.")

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
        """Write the record of a new session. Raises ``Conflict`` if it already exists."""
        async with self._turn(record.id):
            if not await self._put_record(record, "create"):
                raise Conflict("There is such a session already.")

    async def _put_record(self, record: Record, condition: obstore.PutMode) -> bool:
        """Write a record atomically; return whether the condition was met."""
        body = record.model_dump_json(exclude_none=True).encode()  # always with its times, whose default is now
        try:
            return await self._replace(record_key(record.id), body, condition)
        except (BaseError, OSError) as error:
            raise unavailable(error) from error

    async def _replace(self, key: str, body: bytes, condition: obstore.PutMode) -> bool:
        """Write a small object atomically; return whether the condition was met."""
        try:
            await obstore.put_async(self._store, key, body, mode=condition)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    async def write(self, session_id: str, file_id: str, chunks: Chunks, max_bytes: int | None = None) -> Written:
        """Store a file's bytes as they arrive; nothing is kept after an error or a cancellation."""
        counted = _Counted(chunks, max_bytes)
        putting = asyncio.ensure_future(self._put(file_key(session_id, file_id), counted.stream()))
        try:
            await asyncio.shield(putting)
        except asyncio.CancelledError:
            counted.is_stopped = True  # the store sees an error at the next chunk and removes everything
            self._unwinding.add(putting)
            putting.add_done_callback(self._unwound)
            raise
        except (BaseError, OSError) as error:
            raise unavailable(error) from error
        return Written(counted.size, f'"{file_id}"')

    async def _put(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Store a file of up to one part in one request, and a larger one in parts."""
        head = bytearray()
        gathered = _gathered(chunks)
        async for chunk in gathered:
            head += chunk
            if len(head) > _PART_BYTES:
                parts = _chain(bytes(head), gathered)
                head.clear()
                await obstore.put_async(self._store, key, parts, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
                return
        await obstore.put_async(self._store, key, bytes(head))

    def _unwound(self, putting: asyncio.Future[Any]) -> None:
        self._unwinding.discard(putting)
        if not putting.cancelled():
            putting.exception()  # the failure is expected

    async def read(self, session_id: str, file_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read a file's bytes in chunks of about a mebibyte. Raises ``NotFound``.

        The reader may take any time. A request may end early, by its time limit or a broken connection. Then another
        one reads the rest, as long as each request returns some bytes.
        """
        while end is None or start < end:
            began = start
            try:
                found = await obstore.get_async(self._store, file_key(session_id, file_id), options=_range(start, end))
                end = found.range[1]
                async for chunk in found.stream(min_chunk_size=_READ_BYTES):
                    start += len(chunk)
                    yield bytes(chunk)
                return
            except FileNotFoundError as error:
                raise NotFound("There is no such file.") from error
            except (BaseError, OSError) as error:
                if start == began:
                    raise unavailable(error) from error

    async def erase(self, session_id: str, file_ids: Sequence[str] | None = None) -> None:
        """Delete files' bytes; with ``None`` the complete session, record first: no record names a missing file."""
        try:
            if file_ids is None:
                async with self._turn(session_id):  # a change in progress would write the record again
                    await self._delete([record_key(session_id)])
                listed = await obstore.list(self._store, prefix=f"files/{session_id}").collect_async()
                await self._delete([item["path"] for item in listed])
            else:
                await self._delete([file_key(session_id, file_id) for file_id in file_ids])
        except (BaseError, OSError) as error:
            raise unavailable(error) from error

    async def _delete(self, keys: list[str]) -> None:
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue

    async def idle_since(self, time: float) -> list[str]:
        """Return the sessions whose record was last written before ``time`` (seconds since the epoch).

        Includes sessions without a record whose newest file is that old: a process died before it wrote the record.
        """
        before = datetime.fromtimestamp(time, UTC)
        idle: list[str] = []
        recorded: set[str] = set()
        try:
            async for page in obstore.list(self._store, prefix="records"):
                idle += [_session_of(item["path"]) for item in page if item["last_modified"] < before]
                recorded.update(_session_of(item["path"]) for item in page)
            found = await obstore.list_with_delimiter_async(self._store, prefix="files")
            unrecorded = {_session_of(prefix) for prefix in found["common_prefixes"]} - recorded
            return idle + [session_id for session_id in unrecorded if await self._is_left(session_id, before)]
        except (BaseError, OSError) as error:
            raise unavailable(error) from error

    async def _is_left(self, session_id: str, before: datetime) -> bool:
        """Return whether a session has files and all of them are older than ``before``."""
        listed = await obstore.list(self._store, prefix=f"files/{session_id}").collect_async()
        return max((item["last_modified"] for item in listed), default=before) < before

    async def is_idle(self, session_id: str, time: float) -> bool:
        """Return whether one session is idle now; a deleted session counts as idle."""
        try:
            found = await obstore.head_async(self._store, record_key(session_id))
        except FileNotFoundError:
            return True
        except (BaseError, OSError) as error:
            raise unavailable(error) from error
        return found["last_modified"] < datetime.fromtimestamp(time, UTC)

    async def remove_unfinished(self, time: float) -> int:
        """Remove nothing: unfinished parts of a bucket are left to its lifecycle rules."""
        return 0

    async def recent(self, most: int) -> tuple[list[str], int]:
        """Return at most ``most`` sessions, the last written records first, and the number of all sessions.

        This reads the names of all records, as each cleanup does, and keeps at most ``most`` of them.
        """
        newest: list[tuple[datetime, str]] = []
        total = 0
        try:
            async for page in obstore.list(self._store, prefix="records"):
                total += len(page)
                found = ((item["last_modified"], item["path"]) for item in page)
                newest = heapq.nlargest(most, itertools.chain(newest, found))
        except (BaseError, OSError) as error:
            raise unavailable(error) from error
        return [_session_of(key) for _, key in newest], total

    async def probe(self) -> None:
        """Write, read and delete a small object. Raises ``StoreUnavailable``.

        Until it is confirmed once, the call also checks that the store honours conditional writes. Some S3-compatible
        stores ignore them, and then changes by several replicas would overwrite each other.
        """
        key = f"probe/{new_id()}"
        try:
            first = await obstore.put_async(self._store, key, b"42")
            self._keeps_conditions = self._keeps_conditions or await self._refuses_stale(key, first)
            await obstore.get_async(self._store, key)
            await obstore.delete_async(self._store, key)
        except (BaseError, OSError) as error:
            raise unavailable(error) from error
        if not self._keeps_conditions:
            raise StoreUnavailable("The file store ignores conditional writes (If-Match), so it cannot be shared.")

    async def _refuses_stale(self, key: str, first: obstore.PutResult) -> bool:
        await obstore.put_async(self._store, key, b"43")
        try:
            await obstore.put_async(self._store, key, b"44", mode=_unless_changed(first))
        except PreconditionError:
            return True
        except NotImplementedError:  # disabled in the environment
            return False
        return False


class _Counted:
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


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join small chunks, because each chunk would cost a thread switch."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        if len(held) >= _GATHER_BYTES:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


async def _chain(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


def _unless_changed(version: obstore.PutResult | obstore.ObjectMeta) -> obstore.UpdateVersion:
    """Return the condition that a version is still the latest: its ETag in S3 and Azure, its number in GCS."""
    condition: obstore.UpdateVersion = {}
    if e_tag := version.get("e_tag"):
        condition["e_tag"] = e_tag
    if number := version.get("version"):
        condition["version"] = number
    return condition


def _range(start: int, end: int | None) -> obstore.GetOptions | None:
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else None


def record_key(session_id: str) -> str:
    """Return the key of a session's record."""
    return f"records/{session_id}.json"


def file_key(session_id: str, file_id: str) -> str:
    """Return the key of a file's bytes."""
    return f"files/{session_id}/{file_id}"


def _session_of(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")


def unavailable(error: Exception) -> StoreUnavailable:
    """Create the error that a client receives when the store fails."""
    failure = StoreUnavailable("The file store does not answer.")
    failure.__cause__ = error
    return failure
