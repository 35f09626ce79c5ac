"""Time every call to Daytona, and name what came of it in one of a few words."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Literal

from daytona import DaytonaConnectionError, DaytonaError, DaytonaTimeoutError

from app.core.events import EngineCalled, Events

Operation = Literal["create", "get", "list", "delete", "snapshot", "exec", "upload", "download"]


class Calls:
    """Tell of calls, whose number decides how fast this engine is and what it costs."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def timed(self, operation: Operation) -> Call:
        """Give the context in which one call is made."""
        return Call(self._events, operation)


class Call:
    """Tell of one call when it is over."""

    def __init__(self, events: Events, operation: Operation) -> None:
        self._events = events
        self._operation = operation
        self._began = time.perf_counter()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outcome = "ok" if error is None else outcome_of(error)
        self._events.tell(EngineCalled(self._operation, outcome, time.perf_counter() - self._began))


def outcome_of(error: BaseException) -> str:
    """Sort what went wrong."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return "cancelled"
    if isinstance(error, DaytonaTimeoutError | TimeoutError):
        return "timeout"
    status = error.status_code if isinstance(error, DaytonaError) else None
    match status:
        case None:
            return "no_answer" if isinstance(error, DaytonaConnectionError) else "failed"
        case 404:
            return "not_found"
        case 408:
            return "timeout"
        case 429:
            return "limited"
        case _ if 400 <= status < 500:
            return "refused"
        case _:
            return "failed"
