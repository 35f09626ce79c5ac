"""Context of the current request: its ids, available to all of its code, mainly for logs."""

from __future__ import annotations

from contextvars import ContextVar


class RequestContext:
    """Ids of the current request, session, run and trace; empty until known."""

    __slots__ = ("request_id", "run_id", "session_id", "trace_id")

    def __init__(self, request_id: str = "") -> None:
        self.request_id = request_id
        self.session_id = ""
        self.run_id = ""
        self.trace_id = ""

    def fields(self) -> dict[str, str]:
        """Return the ids that are known, by name."""
        return {name: value for name in self.__slots__ if (value := getattr(self, name))}


_current: ContextVar[RequestContext | None] = ContextVar("trail", default=None)


def begin(request_id: str) -> RequestContext:
    """Set a new context for a request; tasks that the request starts inherit it."""
    trail = RequestContext(request_id)
    _current.set(trail)
    return trail


def current() -> RequestContext | None:
    """Return the current context; ``None`` in work that belongs to no request."""
    return _current.get()
