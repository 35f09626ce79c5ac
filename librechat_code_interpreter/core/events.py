"""Events for the metrics, the audit log, traces and the operator's page.

An event is one immutable value. It is emitted once, when the thing it describes is over, in the task that did it. So a
listener takes microseconds, never waits, and hands longer work to another task.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from librechat_code_interpreter.core.principal import Principal

log = logging.getLogger(__name__)

E = TypeVar("E")


class Seconds(NamedTuple):
    """Duration of each step of a run, in the order of the steps; 0 for a step that was not reached.

    Events are named tuples, because a frozen dataclass takes five times as long to make.
    """

    lookup: float = 0.0
    """Looking up the files that the request names."""

    queue: float = 0.0
    """Waiting for the session and for a slot."""

    sandbox: float = 0.0
    """Acquiring the sandbox."""

    stage: float = 0.0
    """Staging files into the sandbox."""

    run: float = 0.0
    """Running the program, from the request to the runner until its reply."""

    collect: float = 0.0
    """Collecting and storing the files that it wrote."""

    record: float = 0.0
    """Writing the session's record and lease."""


class FinishedRun(NamedTuple):
    """A request to run a program, up to its end, its next pause, or the error that kept it from running.

    It never contains the code, or what the program read or printed. Sizes of text are in characters, of files in bytes.
    """

    at: float
    """When it ended, in seconds since the epoch."""

    request_id: str
    run_id: str
    """The same for all requests that continue one program."""

    principal: Principal
    session_id: str
    """Empty if the request got no session."""

    language: str
    ending: str
    """An ``Ending``, ``paused``, or the code of the error that was returned instead."""

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
    """Number of pauses of the program so far."""

    sandbox: Literal["kept", "new", ""]
    """Whether it ran in the sandbox of the session's previous run; empty if it got no sandbox."""

    is_follow_up: bool
    """Whether it follows a run: in the session of that run, or with files from it."""


class Answered(NamedTuple):
    """A request of any kind that is over."""

    route: str
    """The first part of its path if it is one of our routes, else ``other``; so there are few values."""

    status: int
    """0 if it was not answered."""

    seconds: float


class PoolTaken(NamedTuple):
    """A take from a warm pool: jails of the local engine, sandboxes of Daytona."""

    pool: Literal["prepared", "jail", "sandbox"]
    kind: str
    is_hit: bool
    age_seconds: float | None
    """How long the taken one had been ready; ``None`` if there was none, or if another replica made it."""

    ready: int
    """Number of ready ones left."""


class PoolFilled(NamedTuple):
    """A warm pool got one more prepared jail or sandbox."""

    pool: Literal["prepared", "jail", "sandbox"]
    kind: str
    ready: int


class PoolWhole(NamedTuple):
    """A warm pool is full again; ``jail`` stands for both pools of the local engine, which are filled in turn."""

    pool: Literal["jail", "sandbox"]
    short_seconds: float
    """How long the pool was not full, from the first take."""


class EngineCalled(NamedTuple):
    """One call to the engine's service that is over."""

    operation: str
    outcome: str
    """``ok``, or what failed in one word; see ``engines.daytona.calls``."""

    seconds: float


class StoreCalled(NamedTuple):
    """One call to the file store that is over."""

    operation: str
    outcome: str
    """``ok``, the code of an error, or ``broken_off`` for any other exception, such as a cancellation."""

    seconds: float
    size: int
    """Bytes of a file that were written or read."""


class LibreChatSpoke(NamedTuple):
    """An admitted request from LibreChat: the signs of its release, never its content."""

    at: float
    """When it arrived, in seconds since the epoch."""

    user_agent: str
    """Empty in a second event about one request, for the signs that its body adds."""

    signs: tuple[str, ...]
    """From a small fixed set; see ``api.client_fingerprint``."""


class Refused(NamedTuple):
    """A request that was refused for its credential; never the credential itself."""

    at: float
    reason: str
    """The error message that was returned."""

    offered: str
    """The form of the credential, or ``nothing``."""

    route: str
    user_agent: str
    """As the client sent it, truncated."""


class Events:
    """Dispatches events to their listeners."""

    def __init__(self) -> None:
        self._listeners: dict[type, tuple[Callable[[Any], None], ...]] = {}

    def on(self, kind: type[E], listener: Callable[[E], None]) -> None:
        """Add a listener for all events of one type."""
        self._listeners[kind] = (*self._listeners.get(kind, ()), listener)

    def tell(self, event: object) -> None:
        """Call the listeners; one that raises is logged and affects neither the other listeners nor the run."""
        for listener in self._listeners.get(type(event), ()):
            try:
                listener(event)
            except Exception:  # a broken listener must not stop the work
                log.exception("%s was not noted", type(event).__name__)
