"""Faults for the next calls, of the kinds that networks, proxies and busy services have."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, fields
from typing import Any, Final

EXEC: Final = {"method": "POST", "path": "/process/execute$"}
CREATE: Final = {"method": "POST", "path": "/api/sandbox$"}
PRESETS: Final[dict[str, dict[str, Any]]] = {
    "rate-limit": {
        "status": 429,
        "headers": {"Retry-After-Sandbox-Create": "2", "Retry-After-Authenticated": "2"},
        "body": {"statusCode": 429, "message": "Too many requests"},
    },
    "quota": CREATE | {"status": 400, "body": {"statusCode": 400, "message": "Total CPU quota exceeded"}},
    "exit-minus-one": EXEC | {"status": 200, "body": {"exitCode": -1, "result": ""}},
    "exec-timeout": EXEC | {"status": 408, "body": {"statusCode": 408, "message": "command execution timeout"}},
    "unauthorized": {"status": 401, "body": {"statusCode": 401, "message": "Unauthorized"}},
    "bad-gateway": {"path": "^/toolbox/", "status": 502, "body": "bad gateway"},
    "unavailable": {"status": 503, "body": {"statusCode": 503, "message": "Service unavailable"}},
    "no-body": {"path": "^/toolbox/", "status": 400},
    "drop": {"drop": True},
    "lose-reply": EXEC | {"drop": True, "work": True},
    "hang": {"hang": True},
}


@dataclass(slots=True)
class Fault:
    """Which calls fail, and how. With neither status, drop, hang nor cut, a fault only delays."""

    method: str = "GET|POST|PUT|PATCH|DELETE"
    """Regular expression for the whole method. The event stream's is WS, and must be asked for."""

    path: str = ""
    """Regular expression to be found in the path."""

    times: int | None = 1
    """How many calls; null is all of them."""

    skip: int = 0
    """How many matching calls pass before."""

    delay_seconds: float = 0.0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = ""
    """What is sent with the status: text, or an object as JSON."""

    drop: bool = False
    """Close the connection without an answer."""

    hang: bool = False
    """Never answer."""

    cut_bytes: int | None = None
    """Send the true answer's head and this many bytes of its body, then close the connection."""

    work: bool = False
    """Do what was asked before it goes wrong."""

    def matches(self, method: str, path: str) -> bool:
        """Return whether the fault applies to a call."""
        return re.fullmatch(self.method, method) is not None and re.search(self.path, path) is not None

    def content(self) -> tuple[bytes, str]:
        """Return the body to send and its media type."""
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain"
        return json.dumps(self.body).encode(), "application/json"


class Faults:
    """Pending faults; the first that matches a call applies."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def add(self, wanted: dict[str, Any]) -> Fault:
        """Add one from JSON, perhaps based on a preset. Raises ``ValueError``."""
        wanted = dict(wanted)
        preset = wanted.pop("preset", None)
        if preset is not None and preset not in PRESETS:
            raise ValueError(f"there is no preset {preset}; there are {', '.join(PRESETS)}")
        merged = PRESETS.get(preset or "", {}) | wanted
        unknown = merged.keys() - {field.name for field in fields(Fault)}
        if unknown:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        fault = Fault(**merged)
        for pattern in (fault.method, fault.path):
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise ValueError(f"not a regular expression: {pattern!r}") from error
        self.waiting.append(fault)
        return fault

    def strike(self, method: str, path: str) -> Fault | None:
        """Return the fault for this call, if one is due, and count it."""
        for fault in self.waiting:
            if not fault.matches(method, path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
            return fault
        return None
