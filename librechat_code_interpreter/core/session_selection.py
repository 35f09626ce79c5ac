"""Selection of the session that a run continues, or creation of a new one (K16; the design's step 2)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from librechat_code_interpreter.core.access import may_run, private_scope
from librechat_code_interpreter.core.errors import Busy, LanguageConflict, LeasesUnavailable
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.inputs import References
from librechat_code_interpreter.core.languages import Language
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import FileStore, Leases, SessionLock
from librechat_code_interpreter.core.session import Record

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a request says about its session."""

    principal: Principal
    language: Language
    session_id: str | None = None
    hint: str | None = None
    may_be_refused: bool = True
    """Whether another language than the session's is an error (K17); if not, the program just runs."""


@dataclass(slots=True)
class LockedSession:
    """The session of a run, locked while it runs."""

    record: Record
    hold: SessionLock
    is_new: bool


class SessionSelector:
    """Finds the session of a run and locks it while the run lasts."""

    def __init__(self, store: FileStore, leases: Leases, *, binds_language: bool) -> None:
        self._store = store
        self._leases = leases
        self._binds_language = binds_language

    @asynccontextmanager
    async def choose(
        self, request: SessionRequest, references: References, wait_seconds: float
    ) -> AsyncIterator[LockedSession]:
        """Yield the session, locked, so that one program runs in it at a time.

        Wait for a session that the request names, up to ``wait_seconds``. Take a guessed session only if its lock
        is free. Otherwise create a new one.
        Raises ``LanguageConflict`` (K17) and ``Busy``.
        """
        explicit = await self._live(request, request.session_id)
        if explicit is not None:
            self._check_language(request, explicit)
            async with self._leases.hold(explicit.id, wait_seconds) as hold:
                explicit = await self._live(request, explicit.id) or explicit
                self._check_language(request, explicit)  # the run that held the lock may have bound it
                yield LockedSession(explicit, hold, is_new=False)
            return
        for session_id in [] if request.session_id else await self._supposed(request, references):
            record = await self._live(request, session_id)
            if record is None:
                continue
            holding = self._leases.hold(session_id, 0)
            try:
                hold = await holding.__aenter__()
            except Busy:
                continue
            try:
                yield LockedSession(await self._live(request, session_id) or record, hold, is_new=False)
            finally:
                await holding.__aexit__(None, None, None)
            return
        new = self._new(request)
        async with self._leases.hold(new.id, 0) as hold:  # no client knows it yet, but its sandbox could be evicted
            yield LockedSession(new, hold, is_new=True)

    def _new(self, request: SessionRequest) -> Record:
        return Record(
            id=new_id(),
            scope=private_scope(request.principal),
            origin="exec",
            user=request.principal.user,
        )

    async def _live(self, request: SessionRequest, session_id: str | None) -> Record | None:
        record = await self._store.load(session_id) if session_id else None
        return record if record is not None and may_run(request.principal, record) else None

    def _check_language(self, request: SessionRequest, record: Record) -> None:
        if not self._binds_language or not request.may_be_refused or request.language.neutral:
            return
        if record.language in (None, request.language.bound_as):
            return
        raise LanguageConflict(
            f"This session runs '{record.language}'; start a new session for '{request.language.name}'."
        )

    async def _supposed(self, request: SessionRequest, references: References) -> list[str]:
        """List the sessions that the run probably continues: the conversation's, then its user's newest in the refs."""
        supposed: list[str] = []
        if request.hint:
            remembered = await self._leases.hint(hint_key(request.principal, request.hint))
            supposed += [remembered] if remembered else []
        if request.principal.user:
            mine = [record for record in references.records.values() if self._is_mine(request.principal, record)]
            mine.sort(key=lambda record: max((file.modified for file in record.files.values()), default=record.created))
            supposed += [record.id for record in reversed(mine)]
        return supposed

    def _is_mine(self, principal: Principal, record: Record) -> bool:
        return record.origin == "exec" and record.user == principal.user and may_run(principal, record)

    async def remember(self, request: SessionRequest, session_id: str) -> None:
        """Store this session for the conversation's next run; a failure is only logged, since the run is over."""
        if not request.hint:
            return
        try:
            await self._leases.hint(hint_key(request.principal, request.hint), session_id)
        except LeasesUnavailable as error:
            log.warning("the session of a conversation could not be noted: %s", error)


def hint_key(principal: Principal, hint: str) -> str:
    """Return the hint's key, which differs between callers."""
    return "\0".join((principal.tenant or "", principal.user or "", hint))
