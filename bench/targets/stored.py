"""Measure listing and probing with many sessions in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Any

from bench import service
from bench.measure import median, percentile, sample
from bench.wire import Wire, request
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.session import FileRecord, Record, now
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore

_FILES = 5
_REQUESTS = 400
_AT_ONCE = 32


def measure(sessions: int) -> dict[str, Any]:
    """Fill the store of a running service and ask about sessions all over it."""
    with service.running("stored", ("bench.scripted",)) as running:
        records = asyncio.run(_fill(str(running.store / "data"), sessions))
        step = max(1, len(records) // _REQUESTS)
        found: dict[str, Any] = {"sessions": sessions, "files_in_each": _FILES}
        for name, path in (("listing", "/files/{0}"), ("probing", "/sessions/{0}/objects/{1}")):
            asked = [path.format(record.id, next(iter(record.files))) for record in records[::step]]
            texts = iter([request(running.key, "GET", path) for path in asked])
            times = sample(partial(_next, Wire(running.port, fresh=True), texts), len(asked), 1, 30.0).times
            found |= {f"{name}_p50_ms": median(times), f"{name}_p99_ms": percentile(times, 0.99)}
    return found


def _next(wire: Wire, texts: Iterator[bytes], _: int) -> None:
    wire.ask(next(texts), b"data.csv")


async def _fill(directory: str, sessions: int) -> list[Record]:
    store = SessionStore(open_blobs(directory))
    records = [_record() for _ in range(sessions)]
    turns = asyncio.Semaphore(_AT_ONCE)

    async def write(record: Record) -> None:
        async with turns:
            await store.create(record)

    await asyncio.gather(*map(write, records))
    return records


def _record() -> Record:
    record = Record(id=new_id(), origin="upload")
    for number in range(_FILES):
        record.add(
            FileRecord(
                id=new_id(), path=f"{number}-data.csv", size=1, modified=now(), etag='"x"', content_type="text/csv"
            )
        )
    return record
