"""Routes of the operator's page: its files are public, its data are protected as ``Lock`` describes."""

from __future__ import annotations

from importlib.resources import files as resources
from typing import Literal

from fastapi import APIRouter, Request, Response

from librechat_code_interpreter.api.errors import json_response
from librechat_code_interpreter.api.middleware import principal_of
from librechat_code_interpreter.api.schemas import ERRORS
from librechat_code_interpreter.console.overview import Overview
from librechat_code_interpreter.console.schemas import ConsoleData, ConsoleSessions
from librechat_code_interpreter.console.sessions import Sessions
from librechat_code_interpreter.core.errors import NotFound, Unauthorized
from librechat_code_interpreter.settings import Settings

Lock = Literal["key", "none", "no key"]
"""Access to the page: with the API key; without a credential; or for nobody, because no key is set."""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""``trusted-types 'none'`` permits no policy, so no script of the page can turn text into HTML by mistake."""


def router(overview: Overview, sessions: Sessions, lock: Lock) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(tags=["console"])
    page = _read_page(lock)

    @routes.get("/console", include_in_schema=False)
    async def console() -> Response:
        return _file_response(page, "index.html")

    @routes.get("/console/page/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        return _file_response(page, name)

    @routes.get(
        "/console/data",
        response_model=ConsoleData,
        responses=ERRORS,
        summary="Return the current state and recent activity",
    )
    async def data(request: Request) -> Response:
        has_key = _is_operator(request, lock)
        return json_response((await overview.snapshot(with_session_ids=has_key)).model_dump())

    @routes.get(
        "/console/sessions", response_model=ConsoleSessions, responses=ERRORS, summary="List recently used sessions"
    )
    async def listing(request: Request) -> Response:
        if not _is_operator(request, lock):
            raise Unauthorized("sessions: send the API key; session ids give access to files")
        return json_response((await sessions.recent(principal_of(request))).model_dump())

    return routes


def lock_of(settings: Settings) -> Lock:
    """Return the access rule of the page under these settings."""
    if settings.adapter_api_key is not None:
        return "key"
    return "none" if settings.adapter_auth == "none" else "no key"


def _is_operator(request: Request, lock: Lock) -> bool:
    """Check access to the page's data, and return whether the caller has the API key.

    Without a lock, every caller without a token has access. For a user's token the route does not exist (404).
    """
    principal = principal_of(request)
    if principal.method == "jwt":
        raise NotFound("There is no such route.")
    if principal.method == "none" and lock != "none":
        raise Unauthorized("console: send the API key")
    return principal.method == "key"


def _read_page(lock: Lock) -> dict[str, bytes]:
    """Read the page's files once, and set ``data-lock`` in ``index.html``."""
    page = {
        file.name: file.read_bytes()
        for file in resources("librechat_code_interpreter.console").joinpath("page").iterdir()
    }
    page["index.html"] = page["index.html"].replace(b'data-lock="key"', f'data-lock="{lock}"'.encode())
    return page


def _file_response(page: dict[str, bytes], name: str) -> Response:
    if name not in page:
        raise NotFound("There is no such file.")
    return Response(page[name], headers=_HEADERS, media_type=_TYPES[name[name.rindex(".") :]])
