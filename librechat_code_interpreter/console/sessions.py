"""List of the sessions used last, with their files."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from librechat_code_interpreter.console.schemas import ConsoleSession, ConsoleSessions, SessionFile
from librechat_code_interpreter.core.access import may_read
from librechat_code_interpreter.core.errors import LeasesUnavailable
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import FileStore, Leases, Retention
from librechat_code_interpreter.core.session import FileRecord, Record

SHOWN_SESSIONS = 50
"""Maximum of listed sessions; for each one, a small object of the store is read, all at once."""


class Sessions:
    """Reads sessions from the store; a listing does not count as use."""

    def __init__(self, files: FileStore, retention: Retention, leases: Leases) -> None:
        self._files = files
        self._retention = retention
        self._leases = leases

    async def recent(self, operator: Principal) -> ConsoleSessions:
        """List sessions, most recently used first.

        Sessions of users with a token are included; their bytes stay private (K9). Raises ``StoreUnavailable``.
        """
        ids, total = await self._retention.recent(SHOWN_SESSIONS)
        records = await asyncio.gather(*(self._files.load(session_id) for session_id in ids))
        leased = await self._leased()
        sessions = [_session_of(record, leased, operator) for record in records if record is not None]
        return ConsoleSessions(total=total, sessions=sessions)

    async def _leased(self) -> Collection[str]:
        try:
            return {lease.session_id for lease in await self._leases.all()}
        except LeasesUnavailable:
            return ()


def _session_of(record: Record, leased: Collection[str], operator: Principal) -> ConsoleSession:
    return ConsoleSession(
        id=record.id,
        origin=record.origin,
        scope=record.scope.kind,
        is_readable=may_read(operator, record),
        language=record.language,
        created=record.created.timestamp(),
        used=record.used.timestamp(),
        has_sandbox=record.id in leased,
        files=[_file_of(file) for file in reversed(record.current())],
    )


def _file_of(file: FileRecord) -> SessionFile:
    return SessionFile(
        id=file.id,
        path=file.path,
        size=file.size,
        modified=file.modified.timestamp(),
        content_type=file.content_type,
        read_only=file.read_only,
    )
