"""Interfaces that the core needs: engine, sandbox, file store, leases, warm pool. Each has at most six methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from librechat_code_interpreter.core.session import Record
from librechat_code_interpreter.runner.messages import Pause, Reply, Request, Results

T = TypeVar("T")
Chunks = AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Staged:
    """One file to stage into a sandbox: its path relative to the workspace, its size, and how to read it."""

    path: str
    size: int
    read: Callable[[], Chunks]


class Sandbox(Protocol):
    """Live compute with a workspace and a runner; it serves at most one session."""

    @property
    def id(self) -> str:
        """Identifier for ``Engine.find``."""
        ...

    async def put(self, files: Sequence[Staged]) -> dict[str, str]:
        """Write files into the workspace; return the reason for each path that could not be written.

        Raises ``EngineUnavailable`` if the sandbox no longer exists.
        """
        ...

    def get(self, path: str) -> Chunks:
        """Read one file of the workspace, never following a link. Raises ``OSError`` if it is not a regular file."""
        ...

    async def exchange(self, request: Request) -> Reply:
        """Run one program. Raises ``EngineUnavailable`` only if it certainly has not started.

        If the sandbox dies during the run, the ending is ``LOST``. Cancelling the call kills the run.
        """
        ...

    async def begin(self, request: Request) -> Reply | Pause:
        """Run a program that may pause for tools; return the first pause or the reply. Otherwise like ``exchange``."""
        ...

    async def resume(self, results: Results) -> Reply | Pause:
        """Resume the paused program, up to its next pause or its end.

        Raises ``EngineUnavailable`` if no program waits for the results of that pause. Cancelling kills the run.
        """
        ...


class Engine(Protocol):
    """Creates, finds and destroys sandboxes."""

    @property
    def name(self) -> str:
        """Name of the engine in health reports."""
        ...

    @property
    def warnings(self) -> list[str]:
        """Current warnings for the operator."""
        ...

    async def open(self) -> None:
        """Prepare the engine. Raises ``EngineUnfit`` if this machine or account cannot serve."""
        ...

    async def close(self) -> None:
        """Destroy what this process created, and stop."""
        ...

    async def create(self) -> Sandbox:
        """Create a sandbox. Raises ``EngineUnavailable``."""
        ...

    async def find(self, sandbox_id: str) -> Sandbox | None:
        """Return a live sandbox by its id, or ``None`` if it no longer exists."""
        ...

    async def destroy(self, sandbox_id: str) -> None:
        """Destroy a sandbox; do nothing if it no longer exists."""
        ...

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        """Destroy sandboxes that no lease names and that are not being created; return their number.

        Destroy those of other replicas only if this replica ``leads``.
        """
        ...


class EngineUnfit(Exception):
    """The engine cannot run here; the message says in one paragraph why, and what to add."""


class FileStore(Protocol):
    """Storage of session records and file bytes: the source of truth, which outlives every sandbox."""

    async def load(self, session_id: str) -> Record | None:
        """Read a session's record; ``None`` if there is none."""
        ...

    async def change(self, session_id: str, apply: Callable[[Record], T]) -> T:
        """Load a record, apply a change, write it back, and return the result of ``apply``.

        Changes of one session never overlap. ``apply`` may be called again if another replica was faster. Raises
        ``NotFound`` if the session does not exist. Nothing is written if ``apply`` raises.
        """
        ...

    async def create(self, record: Record) -> None:
        """Write the record of a new session. Raises ``Conflict`` if it exists already."""
        ...

    async def write(self, session_id: str, file_id: str, chunks: Chunks, max_bytes: int | None = None) -> Written:
        """Store a file's bytes as they arrive. Raises ``TooLarge``; keeps nothing then, or if ``chunks`` raises."""
        ...

    def read(self, session_id: str, file_id: str, start: int = 0, end: int | None = None) -> Chunks:
        """Read a file's bytes from ``start`` (at most the last byte) to before ``end``. Raises ``NotFound``.

        An empty range yields nothing. A range that goes beyond the file yields what exists.
        """
        ...

    async def erase(self, session_id: str, file_ids: Sequence[str] | None = None) -> None:
        """Delete the bytes of these files; with ``None`` delete the session, its record first."""
        ...


class Retention(Protocol):
    """Sessions by age: the oldest for the cleanup, the newest for the operator. Implemented by the file store."""

    async def idle_since(self, time: float) -> list[str]:
        """Return the sessions whose record was last written before ``time`` (seconds since the epoch).

        Also return sessions without a record if all their files are that old.
        """
        ...

    async def is_idle(self, session_id: str, time: float) -> bool:
        """Check one session again, at this moment; a session without a record counts as idle."""
        ...

    async def recent(self, most: int) -> tuple[list[str], int]:
        """Return up to ``most`` sessions, the most recently written record first, and the number of all sessions."""
        ...

    async def remove_unfinished(self, time: float) -> int:
        """Remove invisible files of killed writers that were not written to since ``time``; return their number."""
        ...

    async def probe(self) -> None:
        """Write, read and delete a small object. Raises ``StoreUnavailable``."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """Size and entity tag of a stored file."""

    size: int
    etag: str


@dataclass(slots=True)
class Lease:
    """The sandbox of a session, and which file is at which path in it. Losing a lease loses no data."""

    session_id: str
    sandbox_id: str
    """Empty while the sandbox is being created; the lease then only counts towards ``MAX_SANDBOXES``."""

    staged: dict[str, str] = field(default_factory=dict)
    """Path in the workspace -> ``Input.key`` of the file: session id and file id."""

    used_at: float = 0.0
    """Seconds since the epoch."""


class SessionLock(Protocol):
    """An acquired session lock, with the session's lease."""

    @property
    def session_id(self) -> str:
        """Id of the locked session."""
        ...

    @property
    def lease(self) -> Lease | None:
        """The session's lease: found when the lock was acquired, then as this holder stored or dropped it."""
        ...

    def is_lost(self) -> bool:
        """Return whether somebody else may hold the lock by now: it expired, or it was released."""
        ...


class Leases(Protocol):
    """Storage of leases, of one lock per session, and of the session hints of conversations.

    Every method raises ``LeasesUnavailable`` if the leases do not answer.
    """

    def hold(self, session_id: str, wait_seconds: float) -> AbstractAsyncContextManager[SessionLock]:
        """Lock a session. Raises ``Busy`` if the lock is not free within ``wait_seconds``; 0 does not wait.

        If the last holder died, the lease is ``None``, because the sandbox's contents are unknown.
        """
        ...

    async def keep(self, hold: SessionLock, lease: Lease, most: int | None = None) -> bool:
        """Store a lease and its time of use. If the lock was lost, raise ``LeasesUnavailable`` and store nothing.

        If the session has no lease yet and ``most`` other sessions have one, store nothing and return ``False``.
        """
        ...

    async def drop(self, hold: SessionLock) -> None:
        """Delete the session's lease. If the lock was lost, raise ``LeasesUnavailable`` and delete nothing."""
        ...

    async def all(self) -> list[Lease]:
        """Return all leases, the least recently used first."""
        ...

    async def hint(self, key: str, session_id: str | None = None) -> str | None:
        """Store the session of a conversation if one is given; return the stored one."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class SharedPool(Protocol):
    """The warm sandboxes of a deployment, counted; each is handed out once.

    Every method raises ``LeasesUnavailable`` if the pool does not answer. If the reply to a claim gets lost, that
    sandbox is never handed out again, and the sweep destroys it.
    """

    async def reserve(self, most: int, seconds: float) -> str | None:
        """Return a ticket to create one more warm sandbox, unless ``most`` exist or are being created.

        The ticket expires after ``seconds``.
        """
        ...

    async def fill(self, ticket: str, sandbox_id: str | None) -> bool:
        """Exchange a ticket for a warm sandbox, or give the ticket up. Return whether the pool now has the sandbox.

        It is not added, and the result is ``False``, if the ticket has expired.
        """
        ...

    async def claim(self, preferred: Collection[str] = ()) -> str | None:
        """Take a warm sandbox, a preferred one if possible, else the newest. No other caller gets it afterwards."""
        ...

    async def withdraw(self, sandbox_id: str) -> bool:
        """Remove a warm sandbox that is dead or too old; return whether it was in the pool."""
        ...

    async def guard(self, sandbox_id: str) -> None:
        """Exclude a sandbox without a lease from the sweep for ``GUARD_SECONDS``; a claimed one is guarded already."""
        ...

    async def kept(self) -> set[str]:
        """Return what a sweep must not destroy: the warm sandboxes and the guarded ones."""
        ...


GUARD_SECONDS = 600.0
"""Much longer than it takes until a lease names a claimed sandbox, or until readiness uses its own again."""
