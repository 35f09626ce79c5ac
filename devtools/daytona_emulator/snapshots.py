"""Snapshots: names that sandboxes can be made from. Nothing is built; a build takes its time and succeeds."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from devtools.daytona_emulator import strict
from devtools.daytona_emulator.box import ORGANIZATION, moment
from devtools.daytona_emulator.errors import Problem
from devtools.daytona_emulator.replies import reply
from devtools.daytona_emulator.settings import Settings

DEFAULT: Final = "daytona-emulator"
FAILS: Final = "RUN false"
"""A Dockerfile with this line fails to build."""


@dataclass(slots=True)
class Snapshot:
    """A snapshot's record."""

    wanted: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: float = field(default_factory=time.time)
    general: bool = False

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.wanted["name"])

    def state(self, build_seconds: float) -> str:
        """Return the state of its build."""
        if time.time() < self.created + build_seconds:
            return "building"
        dockerfile = self.wanted.get("buildInfo", {}).get("dockerfileContent", "")
        return "build_failed" if FAILS in dockerfile.splitlines() else "active"

    def shown(self, build_seconds: float) -> dict[str, Any]:
        """Write it as the API does."""
        state = self.state(build_seconds)
        shown = {
            "id": self.id, "organizationId": ORGANIZATION, "general": self.general, "name": self.name, "state": state,
            "size": 1.0, "entrypoint": self.wanted.get("entrypoint"), "cpu": self.wanted.get("cpu", 1),
            "gpu": self.wanted.get("gpu", 0), "mem": self.wanted.get("memory", 1), "disk": self.wanted.get("disk", 3),
            "errorReason": "a build step failed" if state == "build_failed" else None,
            "createdAt": moment(self.created), "updatedAt": moment(self.created), "lastUsedAt": None,
            "sourceSandboxId": None,
        }  # fmt: skip
        if "imageName" in self.wanted:
            shown["imageName"] = self.wanted["imageName"]
        if "buildInfo" in self.wanted:
            shown["buildInfo"] = build_info(self.wanted["buildInfo"], self.created)
        return shown


def run_lines(build: dict[str, Any] | None, pattern: str) -> list[str]:
    """Return the shell commands of a Dockerfile's RUN lines in which the pattern is found."""
    if not build or not pattern:
        return []
    joined = re.sub(r"\\\n", "", str(build.get("dockerfileContent", "")))
    commands = [line[4:] for line in joined.splitlines() if line.startswith("RUN ")]
    return [command for command in commands if re.search(pattern, command)]


def build_info(wanted: dict[str, Any], created: float) -> dict[str, Any]:
    """Write how something is built."""
    dates = {"createdAt": moment(created), "updatedAt": moment(created)}
    content = {
        "dockerfileContent": wanted.get("dockerfileContent", ""),
        "contextHashes": wanted.get("contextHashes", []),
    }
    return content | dates | {"snapshotRef": f"emulator/{uuid.uuid4().hex}"}


class Snapshots:
    """All snapshots; the default one always exists."""

    def __init__(self) -> None:
        self.all: dict[str, Snapshot] = {}
        self.add({"name": DEFAULT, "imageName": f"{DEFAULT}:latest"}).general = True

    def add(self, wanted: dict[str, Any]) -> Snapshot:
        """Make one. Raises ``Problem`` 409 for a name that is taken."""
        if any(snapshot.name == wanted["name"] for snapshot in self.all.values()):
            raise Problem(409, f"a snapshot named {wanted['name']} exists")
        snapshot = Snapshot(wanted)
        self.all[snapshot.id] = snapshot
        return snapshot

    def find(self, id_or_name: str) -> Snapshot:
        """Return one. Raises ``Problem`` 404."""
        found = self.all.get(id_or_name) or next((s for s in self.all.values() if s.name == id_or_name), None)
        if found is None:
            raise Problem(404, f"Snapshot {id_or_name} not found")
        return found


def _known(request: Request) -> tuple[Snapshots, Settings]:
    return request.app.state.snapshots, request.app.state.settings


async def create(request: Request) -> Response:
    """Make a snapshot from an image's name or a Dockerfile."""
    snapshots, settings = _known(request)
    wanted = await strict.body(request, strict.CREATE_SNAPSHOT, "name")
    if ("imageName" in wanted) == ("buildInfo" in wanted):
        raise Problem(400, "give either imageName or buildInfo")
    return reply(request, "SnapshotDto", snapshots.add(wanted).shown(settings.build_seconds))


async def listing(request: Request) -> Response:
    """List snapshots, page by page."""
    snapshots, settings = _known(request)
    page = strict.integer(request.query_params.get("page", "1"), "page")
    limit = strict.integer(request.query_params.get("limit", "100"), "limit")
    if page < 1 or limit < 1:
        raise Problem(400, "page and limit must be positive")
    found = list(snapshots.all.values())
    items = [snapshot.shown(settings.build_seconds) for snapshot in found[(page - 1) * limit : page * limit]]
    pages = max(1, -(-len(found) // limit))
    return reply(
        request, "PaginatedSnapshots", {"items": items, "total": len(found), "page": page, "totalPages": pages}
    )


async def get(request: Request) -> Response:
    """Show one, by id or name."""
    snapshots, settings = _known(request)
    return reply(request, "SnapshotDto", snapshots.find(request.path_params["id"]).shown(settings.build_seconds))


async def delete(request: Request) -> Response:
    """Remove one."""
    snapshots, _ = _known(request)
    snapshots.all.pop(snapshots.find(request.path_params["id"]).id)
    return Response()


async def logs_url(request: Request) -> Response:
    """Return the address of the build's log."""
    snapshots, _ = _known(request)
    snapshot = snapshots.find(request.path_params["id"])
    return reply(request, "Url", {"url": str(request.url_for("snapshot-build-log", id=snapshot.id))})


async def log(request: Request) -> Response:
    """Return the build's log: the Dockerfile's lines."""
    snapshots, _ = _known(request)
    build = snapshots.find(request.path_params["id"]).wanted.get("buildInfo", {})
    return PlainTextResponse("".join(f"{line}\n" for line in build.get("dockerfileContent", "").splitlines()))


ROUTES = [
    Route("/snapshots", create, methods=["POST"]),
    Route("/snapshots", listing, methods=["GET"]),
    Route("/snapshots/{id}", get, methods=["GET"]),
    Route("/snapshots/{id}", delete, methods=["DELETE"]),
    Route("/snapshots/{id}/build-logs-url", logs_url, methods=["GET"]),
    Route("/snapshots/{id}/build-log", log, methods=["GET"], name="snapshot-build-log"),
]
