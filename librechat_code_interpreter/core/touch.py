"""Renewal of sessions in use: retention counts from a session's last use (K12)."""

from __future__ import annotations

from datetime import timedelta

from librechat_code_interpreter.core.protocols import FileStore
from librechat_code_interpreter.core.session import Record, now

_AFTER = timedelta(hours=1)


async def touched(store: FileStore, record: Record) -> Record:
    """Record that a session is in use, at most once an hour; return the current record."""
    if now() - record.used < _AFTER:
        return record

    def apply(current: Record) -> Record:
        current.used = now()
        return current

    return await store.change(record.id, apply)
