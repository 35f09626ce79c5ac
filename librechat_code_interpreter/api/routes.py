"""Route table: one line per route, from which authentication, body limits, headers, metrics and traces derive.

The handlers are in the other modules. A test compares this table with the routes of the application.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SLASHES = re.compile("/+")


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, as FastAPI writes it, without the ``/v1`` prefix."""

    method: str
    path: str
    is_public: bool = False
    """No credential is checked before the handler; ``/metrics`` checks one itself."""

    is_streamed: bool = False
    """The handler reads the body in pieces, with limits of its own instead of ``REQUEST_BODY_MAX_BYTES``."""

    is_page: bool = False
    """A page for browsers or one of its files."""

    @property
    def name(self) -> str:
        """First part of the path: the label ``route`` of the metrics."""
        return self.path.split("/")[1]


ROUTES = (
    Route("POST", "/exec"),
    Route("POST", "/exec/programmatic"),
    Route("POST", "/exec/programmatic/cancel"),
    Route("GET", "/languages"),
    Route("POST", "/upload", is_streamed=True),
    Route("POST", "/upload/batch", is_streamed=True),
    Route("GET", "/files/{session_id}"),
    Route("DELETE", "/files/{session_id}/{file_id}"),
    Route("GET", "/sessions/{session_id}/objects/{file_id}"),
    Route("DELETE", "/sessions/{session_id}/objects/{file_id}"),
    Route("GET", "/download/{session_id}/{file_id}"),
    Route("GET", "/", is_public=True),
    Route("GET", "/health", is_public=True),
    Route("GET", "/healthz", is_public=True),
    Route("GET", "/readyz", is_public=True),
    Route("GET", "/metrics", is_public=True),
    Route("GET", "/openapi.json", is_public=True),
    Route("GET", "/docs", is_public=True, is_page=True),
    Route("GET", "/swagger/swagger-ui-bundle.js", is_public=True, is_page=True),
    Route("GET", "/swagger/swagger-ui.css", is_public=True, is_page=True),
    Route("GET", "/swagger/favicon-32x32.png", is_public=True, is_page=True),
    Route("GET", "/console", is_public=True, is_page=True),
    Route("GET", "/console/page/{name}", is_public=True, is_page=True),
    Route("GET", "/console/data"),
    Route("GET", "/console/sessions"),
)

OTHER = "other"
"""Name of every path outside the table, so that the number of names is bounded."""

PAGE_NAMES = frozenset(route.name for route in ROUTES if route.is_page)
SPAN_WORDS = frozenset(
    word
    for route in ROUTES
    if not route.is_public and route.name not in PAGE_NAMES
    for word in route.path.split("/")
    if word and "{" not in word
)
"""Parts of paths that appear in the names of spans. Pages, health and metrics are polled, so they have no spans."""

_NAMES = frozenset(route.name for route in ROUTES if route.name)
_FIXED_PATHS = frozenset(route.path for route in ROUTES if "{" not in route.path)
_STREAMED_PATHS = frozenset(route.path for route in ROUTES if route.is_streamed)
_PUBLIC_PATHS = frozenset(route.path for route in ROUTES if route.is_public and "{" not in route.path)
_PUBLIC_PREFIXES = tuple(route.path.partition("{")[0] for route in ROUTES if route.is_public and "{" in route.path)


def plain_path(path: str) -> str:
    """Return the route's path: one slash between names, without the ``/v1`` prefix (K1)."""
    path = _SLASHES.sub("/", path)
    if path == "/v1" or path.startswith("/v1/"):
        path = path[3:]
    return path or "/"


def is_public(path: str) -> bool:
    """Return whether a plain path needs no credential, with any method."""
    return path in _PUBLIC_PATHS or path.startswith(_PUBLIC_PREFIXES)


def is_streamed(path: str) -> bool:
    """Return whether the handler of a plain path limits its body itself."""
    return path in _STREAMED_PATHS


def name_of(path: str) -> str:
    """Return the name of a plain path for metrics: the first part of a known one, else ``OTHER``."""
    name = path[1:].partition("/")[0]
    return name if name in _NAMES else OTHER


def fixed_path_of(path: str) -> str:
    """Return a plain path if the table contains it and it has no ids, else ``OTHER``."""
    return path if path in _FIXED_PATHS else OTHER
