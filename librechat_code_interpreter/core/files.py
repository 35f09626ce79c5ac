"""Uploading, listing, probing, reading and deleting files. None of it needs a sandbox (K37)."""

from __future__ import annotations

from dataclasses import dataclass

from librechat_code_interpreter.core import paths
from librechat_code_interpreter.core.access import may_change, may_read, may_run, private_scope, shared_scope
from librechat_code_interpreter.core.content_types import UNKNOWN, content_type_of
from librechat_code_interpreter.core.errors import BadRequest, Conflict, NotFound
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import Chunks, FileStore
from librechat_code_interpreter.core.session import FileRecord, Record, Scope, now
from librechat_code_interpreter.core.touch import touched

_VIEWED = "There is no such session."
_NO_FILE = "There is no such file."


@dataclass(frozen=True, slots=True)
class UploadPurpose:
    """The target of an upload: the form fields of K34."""

    session_id: str | None = None
    entity_id: str | None = None
    kind: str | None = None
    id: str | None = None
    version: str | None = None
    read_only: bool = False

    def scope(self, principal: Principal) -> Scope:
        """Return the scope of the new session (K9). Raises ``BadRequest`` for an unknown kind."""
        if self.kind in ("agent", "skill") and self.id:
            return shared_scope(principal, "agent" if self.kind == "agent" else "skill", self.id, self.version)
        if self.kind not in (None, "", "user", "agent", "skill"):
            raise BadRequest("kind: must be user, agent or skill.")
        if self.entity_id:
            return shared_scope(principal, "agent", self.entity_id, None)
        return private_scope(principal)


class Upload:
    """The files of one upload request; none is visible before ``commit``."""

    def __init__(self, store: FileStore, record: Record, *, is_new: bool, max_bytes: int) -> None:
        self._store = store
        self._is_new = is_new
        self._max_bytes = max_bytes
        self._may_be_visible = False
        self.record = record
        self.files: list[FileRecord] = []

    async def add(self, name: str, content_type: str | None, chunks: Chunks) -> FileRecord:
        """Store one file. Raises ``BadRequest`` for its name or ``TooLarge`` for its size, and stores nothing then."""
        path = paths.clean(name)
        if path is None:
            raise BadRequest(f"filename: {name[:100]!r} cannot be the name of a file here.")
        file_id = new_id()
        written = await self._store.write(self.record.id, file_id, chunks, self._max_bytes)
        guessed = content_type_of(path)
        file = FileRecord(
            id=file_id, path=path, size=written.size, modified=now(), etag=written.etag,
            content_type=guessed if guessed != UNKNOWN else content_type or guessed,
        )  # fmt: skip
        self.files.append(file)
        return file

    async def commit(self, purpose: UploadPurpose, principal: Principal) -> None:
        """Make the files visible, all at once. Raises ``NotFound`` if the session no longer exists."""
        self.files = [file.model_copy(update={"read_only": purpose.read_only}) for file in self.files]

        def apply(record: Record) -> None:
            record.used = now()
            current = record.by_path()
            for file in self.files:
                record.add(file, current)

        if self._is_new:
            self.record.scope = purpose.scope(principal)
            apply(self.record)
        self._may_be_visible = True  # even if the call fails: the store's answer may get lost
        try:
            await (self._store.create(self.record) if self._is_new else self._store.change(self.record.id, apply))
        except (NotFound, Conflict):
            self._may_be_visible = False
            raise

    async def abandon(self) -> None:
        """Erase the stored bytes, unless a record may name them.

        Bytes that no record names are erased later, with their session.
        """
        if self._may_be_visible:
            return
        await self._store.erase(self.record.id, [file.id for file in self.files])


class Files:
    """The files of all sessions, for callers who may see them."""

    def __init__(self, store: FileStore, upload_max_bytes: int) -> None:
        self._store = store
        self._max_bytes = upload_max_bytes

    async def begin(self, principal: Principal, session_id: str | None) -> Upload:
        """Begin an upload into a live session of the caller, or into a new one. Raises ``NotFound``."""
        if not session_id:
            record = Record(id=new_id(), origin="upload", user=principal.user)
            return Upload(self._store, record, is_new=True, max_bytes=self._max_bytes)
        found = await self._store.load(session_id)
        if found is None or not may_run(principal, found):
            raise NotFound(_VIEWED)
        return Upload(self._store, found, is_new=False, max_bytes=self._max_bytes)

    async def session(self, principal: Principal, session_id: str) -> Record:
        """Return a session that the caller may see; this counts as a use (K12). Raises ``NotFound``."""
        record = await self._store.load(session_id)
        if record is None or not may_read(principal, record):
            raise NotFound(_VIEWED)
        return await touched(self._store, record)

    async def find(self, principal: Principal, session_id: str, file_id: str) -> tuple[Record, FileRecord]:
        """Return a session and one of its files; this counts as a use of the session (K12).

        Raises ``NotFound``, with the same message whichever is missing.
        """
        record = await self._store.load(session_id)
        file = record.files.get(file_id) if record is not None and may_read(principal, record) else None
        if record is None or file is None:
            raise NotFound(_NO_FILE)
        return await touched(self._store, record), file

    def read(self, session_id: str, file_id: str, start: int = 0, end: int | None = None) -> Chunks:
        """Read the bytes of a file that ``find`` returned."""
        return self._store.read(session_id, file_id, start, end)

    async def delete(self, principal: Principal, session_id: str, file_id: str) -> None:
        """Delete a file permanently. Raises ``NotFound``, also the second time (K41)."""
        record = await self._store.load(session_id)
        if record is None or not may_change(principal, record) or file_id not in record.files:
            raise NotFound(_NO_FILE)

        def apply(current: Record) -> None:
            if current.files.pop(file_id, None) is None:
                raise NotFound(_NO_FILE)

        await self._store.change(session_id, apply)
        await self._store.erase(session_id, [file_id])
