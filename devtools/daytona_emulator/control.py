"""The control plane: sandboxes are made, shown, changed and destroyed here."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from devtools.daytona_emulator import strict
from devtools.daytona_emulator.box import Box
from devtools.daytona_emulator.errors import Problem
from devtools.daytona_emulator.fleet import Fleet
from devtools.daytona_emulator.replies import reply
from devtools.daytona_emulator.search import page
from devtools.daytona_emulator.settings import Settings
from devtools.daytona_emulator.snapshots import DEFAULT, FAILS, Snapshots, build_info, run_lines

_NETWORK = ("networkBlockAll", "networkAllowList", "domainAllowList")
_INTERVALS = {
    "autostop": "autoStopInterval",
    "autoarchive": "autoArchiveInterval",
    "autodelete": "autoDeleteInterval",
    "ttl": "ttlMinutes",
}


def _fleet(request: Request) -> Fleet:
    fleet: Fleet = request.app.state.fleet
    return fleet


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _known(request: Request) -> Snapshots:
    snapshots: Snapshots = request.app.state.snapshots
    return snapshots


def _box(request: Request) -> Box:
    return _fleet(request).find(request.path_params["sandbox"])


def _toolbox(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/toolbox"


def _shown(request: Request, box: Box) -> Response:
    settings = _settings(request)
    address = _toolbox(request) if settings.toolbox_url_in_replies else ""
    return reply(request, "Sandbox", box.shown(address, settings.minute_seconds))


async def create(request: Request) -> Response:
    """Make a sandbox from a snapshot or an image; the reply says how far it is."""
    wanted = await strict.body(request, strict.CREATE_SANDBOX)
    _refuse(request, wanted)
    build = wanted.get("buildInfo")
    snapshot = None if build else _snapshot(request, wanted.get("snapshot"))
    if build and FAILS in str(build.get("dockerfileContent", "")).splitlines():
        raise Problem(400, "the image failed to build")
    recipe = build or _known(request).find(str(snapshot)).wanted.get("buildInfo")
    preparing = run_lines(recipe, _settings(request).run_build_lines)
    shown = build_info(build, time.time()) if build else None
    box = await _fleet(request).create(wanted, snapshot, shown, preparing)
    return _shown(request, box)


def _refuse(request: Request, wanted: dict[str, Any]) -> None:
    settings, boxes = _settings(request), _fleet(request).boxes
    if any(box.name == wanted.get("name") for box in boxes.values()):
        raise Problem(409, f"a sandbox named {wanted['name']} exists")
    if len(boxes) >= settings.max_sandboxes:
        raise Problem(400, f"Sandbox quota exceeded: the organization may have {settings.max_sandboxes}")
    if not settings.allow_network_settings and any(wanted.get(name) is not None for name in _NETWORK):
        raise Problem(400, "network settings cannot be changed in this organization's tier")
    if wanted.get("autoStopInterval") and wanted.get("autoPauseInterval"):
        raise Problem(400, "at most one of autoStopInterval and autoPauseInterval may be set")


def _snapshot(request: Request, name: str | None) -> str:
    snapshot = _known(request).find(name or DEFAULT)
    state = snapshot.state(_settings(request).build_seconds)
    if state != "active":
        raise Problem(400, f"Snapshot {snapshot.name} is {state}")
    return snapshot.name


async def listing(request: Request) -> Response:
    """List sandboxes: filtered, sorted, page by page."""
    settings = _settings(request)
    found, cursor = page(list(_fleet(request).boxes.values()), request.query_params, settings.page_size)
    address = _toolbox(request) if settings.toolbox_url_in_replies else ""
    items = [box.listed(address, settings.minute_seconds) for box in found]
    return reply(request, "ListSandboxesResponse", {"items": items, "nextCursor": cursor})


async def get(request: Request) -> Response:
    """Show one sandbox."""
    return _shown(request, _box(request))


async def delete(request: Request) -> Response:
    """Destroy a sandbox."""
    box = _box(request)
    await _fleet(request).destroy(box)
    return _shown(request, box)


async def start(request: Request) -> Response:
    """Start a stopped sandbox."""
    box = _box(request)
    await _fleet(request).start(box)
    return _shown(request, box)


async def stop(request: Request) -> Response:
    """Stop a started sandbox; an ephemeral one is destroyed by it."""
    box = _box(request)
    await _fleet(request).stop(box)
    return _shown(request, box)


async def set_interval(request: Request) -> Response:
    """Set auto-stop, auto-archive, auto-delete or the time to live, in minutes."""
    box, which = _box(request), request.path_params["which"]
    if which not in _INTERVALS:
        raise Problem(404, f"the emulator knows no {which}")
    value = strict.integer(request.path_params["value"], which)
    if value < 0 and which != "autodelete":
        raise Problem(400, f"{which} must not be negative")
    box.wanted[_INTERVALS[which]] = value
    return _shown(request, box)


async def set_labels(request: Request) -> Response:
    """Replace all labels."""
    box = _box(request)
    box.wanted["labels"] = (await strict.body(request, strict.LABELS, "labels"))["labels"]
    return reply(request, "SandboxLabels", {"labels": box.labels})


async def set_network(request: Request) -> Response:
    """Record network settings; sandboxes of the emulator never have a network."""
    box = _box(request)
    wanted = await strict.body(request, strict.NETWORK)
    if not _settings(request).allow_network_settings:
        raise Problem(400, "network settings cannot be changed in this organization's tier")
    box.wanted |= wanted
    return _shown(request, box)


async def touch(request: Request) -> Response:
    """Count as activity."""
    _box(request).active = time.time()
    return Response(status_code=201)


async def toolbox_url(request: Request) -> Response:
    """Return the address of the sandbox's toolbox."""
    _box(request)
    return reply(request, "ToolboxProxyUrl", {"url": _toolbox(request)})


async def logs_url(request: Request) -> Response:
    """Return the address of an image's build log."""
    return reply(request, "Url", {"url": str(request.url_for("sandbox-build-log", sandbox=_box(request).id))})


async def log(request: Request) -> Response:
    """Return the log of an image's build: the Dockerfile's lines."""
    build = _box(request).build or {}
    return PlainTextResponse("".join(f"{line}\n" for line in build.get("dockerfileContent", "").splitlines()))


ROUTES = [
    Route("/sandbox", create, methods=["POST"]),
    Route("/sandbox", listing, methods=["GET"]),
    Route("/sandbox/{sandbox}", get, methods=["GET"]),
    Route("/sandbox/{sandbox}", delete, methods=["DELETE"]),
    Route("/sandbox/{sandbox}/start", start, methods=["POST"]),
    Route("/sandbox/{sandbox}/stop", stop, methods=["POST"]),
    Route("/sandbox/{sandbox}/labels", set_labels, methods=["PUT"]),
    Route("/sandbox/{sandbox}/network-settings", set_network, methods=["POST"]),
    Route("/sandbox/{sandbox}/last-activity", touch, methods=["POST"]),
    Route("/sandbox/{sandbox}/toolbox-proxy-url", toolbox_url, methods=["GET"]),
    Route("/sandbox/{sandbox}/build-logs-url", logs_url, methods=["GET"]),
    Route("/sandbox/{sandbox}/build-log", log, methods=["GET"], name="sandbox-build-log"),
    Route("/sandbox/{sandbox}/{which}/{value}", set_interval, methods=["POST"]),
]
