"""The emulator's own endpoint, for tests: the log, faults, sandboxes and settings."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devtools.daytona_emulator.box import Box
from devtools.daytona_emulator.errors import Problem
from devtools.daytona_emulator.faults import PRESETS

_FORCIBLE = ("stopped", "error", "destroyed")


async def _read(request: Request) -> dict[str, Any]:
    try:
        parsed = json.loads(await request.body())
    except ValueError as error:
        raise Problem(400, f"invalid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise Problem(400, "the body must be an object")
    return parsed


async def log(request: Request) -> Response:
    """Return the calls since the last reset (``?method=`` and ``?path=`` filter), or reset."""
    journal = request.app.state.journal
    if request.method == "DELETE":
        journal.reset()
        return Response(status_code=204)
    return JSONResponse(journal.shown(request.query_params.get("method", ".*"), request.query_params.get("path", "")))


async def faults(request: Request) -> Response:
    """Show what is in wait, add one, or clear all."""
    known = request.app.state.faults
    if request.method == "DELETE":
        known.waiting.clear()
        return Response(status_code=204)
    if request.method == "POST":
        try:
            return JSONResponse(asdict(known.add(await _read(request))), 201)
        except (ValueError, TypeError) as error:
            raise Problem(400, str(error)) from error
    return JSONResponse({"waiting": [asdict(fault) for fault in known.waiting], "presets": list(PRESETS)})


async def sandboxes(request: Request) -> Response:
    """Show all sandboxes, as they are inside."""
    return JSONResponse([_shown(box) for box in request.app.state.fleet.boxes.values()])


async def sandbox(request: Request) -> Response:
    """Put a sandbox into a state at once, as an outage would: stopped, error, destroyed."""
    fleet = request.app.state.fleet
    wanted = await _read(request)
    if wanted.get("state") not in _FORCIBLE:
        raise Problem(400, f"state must be one of {', '.join(_FORCIBLE)}")
    box = fleet.find(request.path_params["id"])
    await fleet.force(box, wanted["state"], wanted.get("errorReason"))
    return JSONResponse(_shown(box))


def _shown(box: Box) -> dict[str, Any]:
    return {
        "id": box.id, "name": box.name, "state": box.state, "labels": box.labels, "snapshot": box.snapshot,
        "created": box.created, "active": box.active, "running": box.running, "errorReason": box.error_reason,
        "autoStopInterval": box.minutes("autoStopInterval"), "ttlMinutes": box.wanted.get("ttlMinutes"),
        "networkBlockAll": box.wanted.get("networkBlockAll"), "networkAllowList": box.wanted.get("networkAllowList"),
    }  # fmt: skip


async def settings(request: Request) -> Response:
    """Show the settings, or change some."""
    known = request.app.state.settings
    if request.method == "PATCH":
        try:
            known.change(await _read(request))
        except ValueError as error:
            raise Problem(400, str(error)) from error
    return JSONResponse(known.shown())


ROUTES = [
    Route("/log", log, methods=["GET", "DELETE"]),
    Route("/faults", faults, methods=["GET", "POST", "DELETE"]),
    Route("/sandboxes", sandboxes, methods=["GET"]),
    Route("/sandboxes/{id}", sandbox, methods=["PUT"]),
    Route("/settings", settings, methods=["GET", "PATCH"]),
]
