"""Durable records of sessions: owner, bound language, files."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Origin = Literal["exec", "upload"]
ScopeKind = Literal["open", "user", "agent", "skill"]

RUNNABLE: tuple[ScopeKind, ...] = ("open", "user")
"""Scopes in which a program may run; sessions of an agent or a skill are read-only (K16)."""


class Scope(BaseModel):
    """Owner of a session (K9).

    ``open`` has no owner: its ids are capabilities. ``user`` is private to (tenant, user). ``agent`` and ``skill`` are
    readable by all users of the tenant; ``owner`` is the user who uploaded them.
    """

    model_config = ConfigDict(frozen=True)

    kind: ScopeKind = "open"
    tenant: str | None = None
    owner: str | None = None
    id: str | None = None
    version: str | None = None


class FileRecord(BaseModel):
    """One stored file. ``path`` is relative to the workspace and is data, never a host path (K11)."""

    id: str
    path: str
    size: int
    modified: datetime
    etag: str
    content_type: str
    read_only: bool = False
    superseded: bool = False
    """A newer version exists at the same path. This one is not listed or staged, but still readable by its id."""


class Record(BaseModel):
    """The durable record of one session."""

    id: str
    scope: Scope = Field(default_factory=Scope)
    origin: Origin = "exec"
    user: str | None = None
    """The user named by requests; a hint for affinity, proven only if the scope is."""

    language: str | None = None
    created: datetime = Field(default_factory=lambda: now())
    used: datetime = Field(default_factory=lambda: now())
    """When it was last used, accurate to an hour; retention counts from here (K12)."""

    files: dict[str, FileRecord] = Field(default_factory=dict)

    def current(self) -> list[FileRecord]:
        """Return the files that are not superseded, oldest first."""
        return [item for item in self.files.values() if not item.superseded]

    def by_path(self) -> dict[str, FileRecord]:
        """Return the files that are not superseded, by path."""
        return {item.path: item for item in self.current()}

    def add(self, item: FileRecord, current: dict[str, FileRecord] | None = None) -> FileRecord | None:
        """Add a file; return the previous file at its path, which stays readable by its id.

        To add many files, pass the result of ``by_path`` each time; it is kept up to date.
        """
        current = self.by_path() if current is None else current
        before = current.get(item.path)
        if before is not None:
            self.files[before.id] = before.model_copy(update={"superseded": True})
        self.files[item.id] = current[item.path] = item
        return before


def last_modified(record: Record, file: FileRecord) -> datetime:
    """Return the reported time: the later of the file's creation and its session's last use (K12).

    A client stops using a file 23 hours after this time, and uploads it again or loses it.
    """
    return max(file.modified, record.used)


def now() -> datetime:
    """Return the current time in UTC, in milliseconds as LibreChat's own times are (K12)."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def iso(time: datetime) -> str:
    """Format a time as ISO 8601 in UTC ending in ``Z`` (K12)."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"
