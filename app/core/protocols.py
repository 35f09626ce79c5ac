"""Name what the core needs of the world: engines, sandboxes, the file store, leases. Each has six verbs at most."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from app.core.session import Record
from app.runner.messages import Pause, Reply, Request, Results

T = TypeVar("T")
Chunks = AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Staged:
    """Hand one file to a sandbox: where it goes (relative to the workspace), its size, and how to read it."""

    path: str
    size: int
    read: Callable[[], Chunks]


class Sandbox(Protocol):
    """Offer live compute with a workspace and a runner; it serves at most one session."""

    @property
    def id(self) -> str:
        """Name the sandbox for ``Engine.find``."""
        ...

    async def put(self, files: Sequence[Staged]) -> dict[str, str]:
        """Write files into the workspace; give the reason for each path that could not be written.

        Raises ``EngineUnavailable`` when the sandbox is gone.
        """
        ...

    def get(self, path: str) -> Chunks:
        """Read one file of the workspace, never following a link. Raises ``OSError`` when it is no regular file."""
        ...

    async def exchange(self, request: Request) -> Reply:
        """Run one program. Raises ``EngineUnavailable`` only if it certainly has not started.

        A sandbox that dies during the run is the ending ``LOST``. Cancelling the call kills the run.
        """
        ...

    async def begin(self, request: Request) -> Reply | Pause:
        """Do the same for a program that may pause for tools; give the first pause, or the reply."""
        ...

    async def resume(self, results: Results) -> Reply | Pause:
        """Let the paused program go on, to its next pause or its end.

        Raises ``EngineUnavailable`` when no program waits for the results of that pause. Cancelling kills the run.
        """
        ...


class Engine(Protocol):
    """Give and take sandboxes."""

    @property
    def name(self) -> str:
        """Name the engine in health reports."""
        ...

    @property
    def warnings(self) -> list[str]:
        """List what an operator must not overlook, as long as it holds."""
        ...

    async def open(self) -> None:
        """Get ready. Raises ``EngineUnfit`` when this machine or account cannot serve."""
        ...

    async def close(self) -> None:
        """Destroy what this process made and stop."""
        ...

    async def create(self) -> Sandbox:
        """Make a sandbox. Raises ``EngineUnavailable``."""
        ...

    async def find(self, sandbox_id: str) -> Sandbox | None:
        """Give a live sandbox again, or ``None`` when it is gone."""
        ...

    async def destroy(self, sandbox_id: str) -> None:
        """End a sandbox; one that is gone already is fine."""
        ...

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        """Destroy sandboxes that no lease names and that nobody is making; give their number.

        Those of other replicas only when this one ``leads``.
        """
        ...


class EngineUnfit(Exception):
    """Tell in one paragraph why the engine cannot run here, and what to add."""


class FileStore(Protocol):
    """Keep session records and file bytes; the truth that outlives every sandbox."""

    async def load(self, session_id: str) -> Record | None:
        """Read a session's record, or ``None``."""
        ...

    async def change(self, session_id: str, apply: Callable[[Record], T]) -> T:
        """Load a record, apply a change, write it back, give what ``apply`` gave; changes of one session never overlap.

        ``apply`` may be called again when another replica was faster. Raises ``NotFound`` when there is no such
        session; nothing is written when ``apply`` raises.
        """
        ...

    async def create(self, record: Record) -> None:
        """Write the record of a new session. Raises ``Conflict`` when there is one already."""
        ...

    async def write(self, session_id: str, file_id: str, chunks: Chunks, max_bytes: int | None = None) -> Written:
        """Store a file's bytes as they come. Raises ``TooLarge``, and keeps nothing then or when ``chunks`` raises."""
        ...

    def read(self, session_id: str, file_id: str, start: int = 0, end: int | None = None) -> Chunks:
        """Read a file's bytes from ``start``, which is no later than the last, to before ``end``. Raises ``NotFound``.

        An empty range gives nothing, one that goes beyond the file gives what there is.
        """
        ...

    async def erase(self, session_id: str, file_ids: Sequence[str] | None = None) -> None:
        """Delete files' bytes; with ``None`` the whole session, record first."""
        ...


class Retention(Protocol):
    """Tell which sessions are old, for the sweeper, and which are new; the file store's second face."""

    async def idle_since(self, time: float) -> list[str]:
        """Give the sessions whose record was last written before that (seconds since the epoch).

        Also those that have none, only files, all of that age.
        """
        ...

    async def is_idle(self, session_id: str, time: float) -> bool:
        """Tell the same of one session, right now; one that is gone is idle."""
        ...

    async def recent(self, most: int) -> tuple[list[str], int]:
        """Give so many sessions, those first whose record was written last, and the number of all."""
        ...

    async def remove_unfinished(self, time: float) -> int:
        """Remove what killed writers left, invisible to all, untouched since then; give its number."""
        ...

    async def probe(self) -> None:
        """Write, read and delete a small object. Raises ``StoreUnavailable``."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """Tell what a write stored."""

    size: int
    etag: str


@dataclass(slots=True)
class Lease:
    """Remember which sandbox serves a session and which file lies where in it. Losing it loses no data."""

    session_id: str
    sandbox_id: str
    """Empty while the sandbox is being made: then the lease only takes its place among ``MAX_SANDBOXES``."""

    staged: dict[str, str] = field(default_factory=dict)
    """Path in the workspace -> file id."""

    used_at: float = 0.0
    """Seconds since the epoch."""


class SessionLock(Protocol):
    """Be the one that works in a session, as long as the lock is ours."""

    @property
    def session_id(self) -> str:
        """Name the session."""
        ...

    @property
    def lease(self) -> Lease | None:
        """Give the session's lease: the one found with the lock, then what this hold kept or dropped."""
        ...

    def is_lost(self) -> bool:
        """Tell whether somebody else may hold the session by now: the lock ran out, or the hold is over."""
        ...


class Leases(Protocol):
    """Keep leases, one lock for each session, and the hints of conversations.

    Every verb raises ``LeasesUnavailable`` when the leases do not answer.
    """

    def hold(self, session_id: str, wait_seconds: float) -> AbstractAsyncContextManager[SessionLock]:
        """Lock a session. Raises ``Busy`` when it is not free within the time; 0 does not wait.

        A session whose last holder died comes without a lease: nobody knows what that one left in the sandbox.
        """
        ...

    async def keep(self, hold: SessionLock, lease: Lease, most: int | None = None) -> bool:
        """Store a lease, and its time of use. Raises ``LeasesUnavailable``, and stores nothing, for a lost hold.

        With ``most``, store nothing and give ``False`` when the session has no lease yet and so many others have one.
        """
        ...

    async def drop(self, hold: SessionLock) -> None:
        """Forget the session's lease. Raises ``LeasesUnavailable``, and forgets nothing, for a lost hold."""
        ...

    async def all(self) -> list[Lease]:
        """Give all leases, the least recently used first."""
        ...

    async def hint(self, key: str, session_id: str | None = None) -> str | None:
        """Remember the session of a conversation when one is given; give the one remembered."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...


class SharedPool(Protocol):
    """Count the spare sandboxes of a deployment, and hand each out once.

    Every verb raises ``LeasesUnavailable`` when the stock does not answer. A spare whose claim was not heard is lost to
    the stock, never handed out twice; the sweep destroys it.
    """

    async def reserve(self, most: int, seconds: float) -> str | None:
        """Give a ticket to make one more spare, unless ``most`` are there or in the making; it lapses in time."""
        ...

    async def fill(self, ticket: str, sandbox_id: str | None) -> bool:
        """Put a spare in the place of a ticket, or give the place up. ``False``, and no spare, for a lapsed ticket."""
        ...

    async def claim(self, preferred: Collection[str] = ()) -> str | None:
        """Take a spare, one of the preferred if there is any, else the newest; nobody else gets it from then on."""
        ...

    async def withdraw(self, sandbox_id: str) -> bool:
        """Take a certain spare out, because it is dead or too old; tell whether it was one."""
        ...

    async def guard(self, sandbox_id: str) -> None:
        """Keep a sandbox that no lease names from being swept, for ``GUARD_SECONDS``. A claimed one is guarded."""
        ...

    async def kept(self) -> set[str]:
        """Name what a sweep has to leave alone: the spares, and the guarded."""
        ...


GUARD_SECONDS = 600.0
"""Much longer than it takes until a lease names a claimed sandbox, or until readiness uses its own again."""
