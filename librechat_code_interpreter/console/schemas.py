"""Response models of the page. Times are seconds since the epoch; values unknown at the moment are ``null``."""

from __future__ import annotations

from pydantic import BaseModel, Field


class PoolFigures(BaseModel):
    """Counts of one kind of prepared jails or warm sandboxes."""

    pool: str
    kind: str
    ready: int
    hits: int
    misses: int


class Now(BaseModel):
    """Current state of the service."""

    at: float
    started_at: float
    version: str
    engine: str
    is_draining: bool
    running: int
    most_running: int
    waiting: int
    most_waiting: int
    sandboxes: int | None = Field(description="Sandboxes with a lease, of all replicas that share leases.")
    most_sandboxes: int
    paused: int | None = Field(description="Programs paused for tool calls; each has a sandbox.")
    most_paused: int
    pools: list[PoolFigures]
    warnings: list[str]


class MinuteFigures(BaseModel):
    """One minute with at least one run."""

    at: float = Field(description="Start of the minute.")
    runs: int
    p50_seconds: float | None
    p95_seconds: float | None
    endings: dict[str, int]
    languages: dict[str, int]


class HourFigures(BaseModel):
    """The last sixty minutes; those without a run are omitted."""

    runs: int
    p50_seconds: float | None
    p95_seconds: float | None
    minutes: list[MinuteFigures]


class LastRun(BaseModel):
    """One finished run, without its code, input or output."""

    at: float
    run_id: str
    session_id: str = Field(description="Empty without the API key, because an id gives access to files.")
    language: str
    ending: str
    exit_code: int | None
    seconds: float
    steps: dict[str, float] = Field(description="Seconds by step: lookup, queue, sandbox, stage, run, collect, record.")
    cpu_seconds: float
    peak_memory_bytes: int
    staged_files: int
    delivered_files: int
    failed_files: int
    tool_rounds: int
    sandbox: str


class Refusal(BaseModel):
    """One refused request, without its credential."""

    at: float
    reason: str
    offered: str
    route: str
    user_agent: str


class LibreChatSeen(BaseModel):
    """The LibreChat release that called last, and the signs that identify it."""

    at: float | None
    user_agent: str
    release: str | None
    signs: dict[str, float] = Field(description="Time at which each sign was last seen.")
    refused_last_hour: dict[str, int] = Field(description="Number of refused requests by reason, from any client.")
    refusals: list[Refusal]


class ConsoleData(BaseModel):
    """Response of ``GET /console/data``."""

    now: Now
    hour: HourFigures
    runs: list[LastRun]
    librechat: LibreChatSeen


class SessionFile(BaseModel):
    """A file of a session."""

    id: str
    path: str
    size: int
    modified: float
    content_type: str
    read_only: bool


class ConsoleSession(BaseModel):
    """A session."""

    id: str
    origin: str
    scope: str = Field(description="open, user, agent or skill.")
    is_readable: bool = Field(description="Whether its files can be downloaded with the operator's key.")
    language: str | None
    created: float
    used: float
    has_sandbox: bool
    files: list[SessionFile]


class ConsoleSessions(BaseModel):
    """Response of ``GET /console/sessions``: the sessions used last, and the number of all."""

    total: int
    sessions: list[ConsoleSession]
