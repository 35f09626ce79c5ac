"""Blobs in an object store: memory, S3, GCS or Azure, through ``obstore``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import ObjectStore, from_url

from librechat_code_interpreter.stores.blobs import STORE_ERRORS, Blob

PART_BYTES = 5 * 1024 * 1024
"""Smallest part that S3 accepts; with two parts in flight an upload needs about 15 MiB."""

_CONCURRENT_PARTS = 2
_JOIN_BYTES = 1024 * 1024
_READ_BYTES = 1024 * 1024

_RETRIES: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
"""Shorter than obstore's own three minutes, because a client waits for the response."""


def connect(url: str) -> ObjectStore:
    """Return the store of a URL; credentials and endpoints come from the environment. Raises ``BaseError``."""
    return from_url(url) if url.startswith("memory:") else from_url(url, retry_config=_RETRIES)


class ObstoreBlobs:
    """Blobs in one store of ``obstore``. Several replicas may write to it, if it honours conditions."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def get(self, key: str) -> Blob:
        found = await obstore.get_async(self._store, key)
        return Blob(bytes(await found.bytes_async()), found.meta["last_modified"], _version_of(found.meta))

    async def put(self, key: str, body: bytes, condition: obstore.PutMode = "overwrite") -> bool:
        try:
            await obstore.put_async(self._store, key, body, mode=condition)
        except (AlreadyExistsError, PreconditionError):
            return False
        return True

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Read in chunks of about a mebibyte.

        A request may end early, by its time limit or a broken connection. Then another one reads the rest, as long as
        each request returns some bytes.
        """
        while end is None or start < end:
            began = start
            try:
                found = await obstore.get_async(self._store, key, options=_range(start, end))
                end = found.range[1]
                async for chunk in found.stream(min_chunk_size=_READ_BYTES):
                    start += len(chunk)
                    yield bytes(chunk)
                return
            except FileNotFoundError:
                raise
            except STORE_ERRORS:
                if start == began:
                    raise

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Write up to one part in one request, and a larger object in parts."""
        head = bytearray()
        joined = _join(chunks)
        async for chunk in joined:
            head += chunk
            if len(head) > PART_BYTES:
                parts = _chain(bytes(head), joined)
                head.clear()
                await obstore.put_async(
                    self._store, key, parts, chunk_size=PART_BYTES, max_concurrency=_CONCURRENT_PARTS
                )
                return
        await obstore.put_async(self._store, key, bytes(head))

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue

    async def list(self, directory: str) -> AsyncIterator[Sequence[tuple[str, datetime]]]:
        async for page in obstore.list(self._store, prefix=directory):
            yield [(item["path"], item["last_modified"]) for item in page]

    async def list_directories(self, directory: str) -> Sequence[str]:
        return (await obstore.list_with_delimiter_async(self._store, prefix=directory))["common_prefixes"]

    async def remove_unfinished(self, time: float) -> int:
        """Remove nothing: unfinished parts of a bucket are left to its lifecycle rules."""
        return 0


async def _join(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Join small chunks, because each chunk would cost a thread switch."""
    joined = bytearray()
    async for chunk in chunks:
        joined += chunk
        if len(joined) >= _JOIN_BYTES:
            yield bytes(joined)
            joined.clear()
    if joined:
        yield bytes(joined)


async def _chain(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in rest:
        yield chunk


def _version_of(meta: obstore.ObjectMeta) -> obstore.UpdateVersion:
    """Return a version: its ETag in S3 and Azure, its number in GCS."""
    version: obstore.UpdateVersion = {}
    if e_tag := meta.get("e_tag"):
        version["e_tag"] = e_tag
    if number := meta.get("version"):
        version["version"] = number
    return version


def _range(start: int, end: int | None) -> obstore.GetOptions | None:
    if end is not None:
        return {"range": (start, end)}
    return {"range": {"offset": start}} if start else None
