"""Keep sessions that are in use from expiring: retention counts from a session's last use (K12)."""

from __future__ import annotations

from datetime import timedelta

from app.core.protocols import FileStore
from app.core.session import Record, now

_AFTER = timedelta(hours=1)


async def touched(store: FileStore, record: Record) -> Record:
    """Write down that a session is still in use, once an hour at most; give the record as it is then."""
    if now() - record.used < _AFTER:
        return record

    def apply(current: Record) -> Record:
        current.used = now()
        return current

    return await store.change(record.id, apply)
