"""Put the emulator together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import ASGIApp

from devtools.daytona_emulator import admin, control, errors, files, snapshots, toolbox
from devtools.daytona_emulator.errors import Problem
from devtools.daytona_emulator.events import Events
from devtools.daytona_emulator.faults import Faults
from devtools.daytona_emulator.fleet import Fleet
from devtools.daytona_emulator.gate import ADMIN, AccessMiddleware
from devtools.daytona_emulator.journal import Journal
from devtools.daytona_emulator.settings import Settings

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(settings: Settings, runtime: Path) -> ASGIApp:
    """Return the whole emulator as an ASGI application; sandboxes get their Python from ``runtime``."""
    events = Events(settings)
    fleet = Fleet(settings, runtime, events)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with fleet:
            yield

    missing = Route("/{path:path}", _missing, methods=_METHODS)
    routes = [
        Mount(
            "/api",
            routes=[*control.ROUTES, *snapshots.ROUTES, WebSocketRoute("/socket.io/", events.serve), missing],
        ),
        Mount("/toolbox/{sandbox}", routes=[*toolbox.ROUTES, *files.ROUTES, missing]),
        Mount(ADMIN, routes=admin.ROUTES),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={Problem: errors.answer})
    app.state.settings, app.state.fleet, app.state.snapshots = settings, fleet, snapshots.Snapshots()
    app.state.faults, app.state.journal = Faults(), Journal()
    return AccessMiddleware(app, settings, app.state.faults, app.state.journal)


async def _missing(request: Request) -> Response:
    """Answer that the emulator lacks this part of Daytona."""
    raise Problem(501, f"the emulator does not know {request.method} {request.url.path}")
