"""Tell what happened to whoever wants to know: the metrics, the audit log, traces, the operator's page.

An event is one immutable value, told once it is over, in the task that it happened in. So a listener takes
microseconds, waits for nothing, and hands what takes longer to somebody else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from app.core.principal import Principal

log = logging.getLogger(__name__)

E = TypeVar("E")


class Seconds(NamedTuple):
    """Hold how long each step of a run took, in the order of the steps; 0 for one that it never came to.

    Events are named tuples, because a frozen dataclass takes five times as long to make.
    """

    lookup: float = 0.0
    """Finding the files that the request names."""

    queue: float = 0.0
    """Waiting for the session and for a place to run."""

    sandbox: float = 0.0
    """Getting the sandbox."""

    stage: float = 0.0
    """Bringing files into it."""

    run: float = 0.0
    """The program, from the request to the runner until its answer."""

    collect: float = 0.0
    """Storing what it wrote."""

    record: float = 0.0
    """Writing the session's record and lease."""


class FinishedRun(NamedTuple):
    """Tell of a request to run a program: to its end, to its next pause, or to the error that kept it from running.

    Never the code, nor what it read or printed. Sizes of text are in characters, of files in bytes.
    """

    at: float
    """When it was over, in seconds since the epoch."""

    request_id: str
    run_id: str
    """The same for all requests that go on with one program."""

    principal: Principal
    session_id: str
    """Empty when it never got to have one."""

    language: str
    ending: str
    """An ``Ending``; ``paused``; or the code of the error that was answered instead."""

    exit_code: int | None
    total_seconds: float
    seconds: Seconds
    cpu_seconds: float
    peak_memory_bytes: int
    source_chars: int
    staged_files: int
    staged_bytes: int
    output_chars: int
    delivered_files: int
    delivered_bytes: int
    failed_files: int
    """Files that could not be delivered (K21)."""

    tool_rounds: int
    """How often the program has paused for tools so far."""

    sandbox: Literal["kept", "new", ""]
    """Whether it ran where the session ran before; empty when it got no sandbox."""

    is_follow_up: bool
    """Whether it follows a run: in that one's session, or with files that it left."""


class Answered(NamedTuple):
    """Tell of a request of any kind."""

    route: str
    """The first part of its path, if we know it: one of a few."""

    status: int
    """0 when it was not answered."""

    seconds: float


class PoolTaken(NamedTuple):
    """Tell that a spare was wanted from a pool: jails of the local engine, sandboxes of Daytona."""

    pool: Literal["furnished", "jail", "sandbox"]
    kind: str
    is_hit: bool
    age_seconds: float | None
    """How long the spare had waited; ``None`` where there was none, or another replica made it."""

    ready: int
    """How many are left."""


class PoolFilled(NamedTuple):
    """Tell that a spare was made."""

    pool: Literal["furnished", "jail", "sandbox"]
    kind: str
    ready: int


class PoolWhole(NamedTuple):
    """Tell that spares are back; ``jail`` stands for both pools of the local engine, which are filled in turn."""

    pool: Literal["jail", "sandbox"]
    short_seconds: float
    """How long the pool was short, from the first take."""


class EngineCalled(NamedTuple):
    """Tell of one call to the engine's service."""

    operation: str
    outcome: str
    """``ok``, or in one word what went wrong; see ``app.engines.daytona.calls``."""

    seconds: float


class StoreCalled(NamedTuple):
    """Tell of one call to the file store."""

    operation: str
    outcome: str
    """``ok``; the code of an error; ``broken_off`` when the caller went away or had nothing more to give."""

    seconds: float
    size: int
    """Bytes of a file that were written or read."""


class LibreChatSpoke(NamedTuple):
    """Tell of a request of LibreChat's that was let in, by what its releases can be told apart; never what it asks."""

    at: float
    """When it came, in seconds since the epoch."""

    user_agent: str
    """Empty where only the body of a request that was told of already shows more."""

    signs: tuple[str, ...]
    """Of a few; see ``app.api.client_fingerprint``."""


class Refused(NamedTuple):
    """Tell of a request that was refused for its credential; never the credential."""

    at: float
    reason: str
    """The sentence that was answered."""

    offered: str
    """In which form a credential came, or ``nothing``."""

    route: str
    user_agent: str
    """Whatever the caller says, cut."""


class Events:
    """Pass events on to their listeners."""

    def __init__(self) -> None:
        self._listeners: dict[type, tuple[Callable[[Any], None], ...]] = {}

    def on(self, kind: type[E], listener: Callable[[E], None]) -> None:
        """Let a listener hear of every event of a kind from now on."""
        self._listeners[kind] = (*self._listeners.get(kind, ()), listener)

    def tell(self, event: object) -> None:
        """Tell the listeners; one that fails is logged, and costs neither the others nor the run anything."""
        for listener in self._listeners.get(type(event), ()):
            try:
                listener(event)
            except Exception:  # whatever is wrong with who watches, the work goes on
                log.exception("%s was not noted", type(event).__name__)
