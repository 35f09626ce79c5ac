"""Know which request, session and run a piece of work belongs to, wherever it is done: for the log, mostly."""

from __future__ import annotations

from contextvars import ContextVar


class RequestContext:
    """Name what one request is about; filled in as it becomes known."""

    __slots__ = ("request_id", "run_id", "session_id", "trace_id")

    def __init__(self, request_id: str = "") -> None:
        self.request_id = request_id
        self.session_id = ""
        self.run_id = ""
        self.trace_id = ""

    def fields(self) -> dict[str, str]:
        """Give what is known of it."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}


_current: ContextVar[RequestContext | None] = ContextVar("trail", default=None)


def begin(request_id: str) -> RequestContext:
    """Start the trail of a request; tasks that it starts are on it too."""
    trail = RequestContext(request_id)
    _current.set(trail)
    return trail


def current() -> RequestContext | None:
    """Give the trail that we are on; ``None`` in work that no request asked for."""
    return _current.get()
