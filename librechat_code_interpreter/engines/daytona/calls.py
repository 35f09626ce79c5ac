"""Duration and outcome of every Daytona call; outcomes are one of a few words."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from typing import Literal

from daytona import DaytonaConnectionError, DaytonaError, DaytonaTimeoutError

from librechat_code_interpreter.core.events import EngineCalled, Events
from librechat_code_interpreter.core.timing import timed

Operation = Literal["create", "get", "list", "delete", "snapshot", "exec", "upload", "download"]


class Calls:
    """Reports Daytona calls as events; their number determines this engine's speed and cost."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def timed(self, operation: Operation) -> AbstractContextManager[None]:
        """Return the context manager for one call."""

        def report(seconds: float, error: BaseException | None) -> None:
            outcome = "ok" if error is None else outcome_of(error)
            self._events.tell(EngineCalled(operation, outcome, seconds))

        return timed(report)


def outcome_of(error: BaseException) -> str:
    """Return the outcome word of a failed call."""
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
