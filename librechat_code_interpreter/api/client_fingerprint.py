"""Recognition of LibreChat releases by features of their requests (section 9 of the contract).

A sign is one of a few fixed words for a feature of a request, never a part of the request itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from librechat_code_interpreter.api.auth import credential_form
from librechat_code_interpreter.api.schemas import ExecRequest
from librechat_code_interpreter.core.principal import Principal

LIBRECHAT = "LibreChat/"
"""Prefix of the ``User-Agent`` of all LibreChat calls."""

Sign = Literal[
    "X-API-Key", "Bearer key", "Basic", "token", "no credential",
    "/v1", "no /v1",
    "/upload", "/upload/batch", "listing", "object probe", "tool calls",
    "session_id refs", "storage_session_id refs", "session hint",
]  # fmt: skip

_ROUTES: dict[str, Sign] = {
    "/upload": "/upload",
    "/upload/batch": "/upload/batch",
    "/exec/programmatic": "tool calls",
}
_BELOW: dict[str, Sign] = {"files": "listing", "sessions": "object probe"}
_WITHOUT_KEY: dict[str, Sign] = {"jwt": "token", "none": "no credential"}
_WITH_KEY: dict[str, Sign] = {
    "X-API-Key": "X-API-Key", "Bearer": "Bearer key", "token": "Bearer key", "Basic": "Basic",
}  # fmt: skip


def signs_of_call(sent_path: str, path: str, headers: Mapping[str, str], principal: Principal) -> tuple[Sign, ...]:
    """Return the signs of any call: its credential, the prefix of its path, its route."""
    credential = _WITHOUT_KEY.get(principal.method) or _WITH_KEY[credential_form(headers)]
    prefix: Sign = "/v1" if sent_path.lstrip("/").startswith("v1/") else "no /v1"
    route = _ROUTES.get(path) or _BELOW.get(path[1:].partition("/")[0])
    return (credential, prefix, route) if route else (credential, prefix)


def signs_of_run(body: ExecRequest) -> tuple[Sign, ...]:
    """Return the signs of a run request: the form of its file refs, and whether it has a conversation hint."""
    signs: list[Sign] = ["session hint"] if body.runtime_session_hint else []
    if body.files:
        is_new = any(ref.storage_session_id for ref in body.files)
        signs.append("storage_session_id refs" if is_new else "session_id refs")
    return tuple(signs)
