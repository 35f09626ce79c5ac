"""One sandbox as the control plane knows it, and how it is shown."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from devtools.daytona_emulator.jail import Jail

ORGANIZATION: Final = "00000000-0000-4000-8000-000000000001"
DAEMON_VERSION: Final = "emulator"
_ONLY_IN_FULL = ("env", "kvm", "volumes", "buildInfo", "outboundProxyUrl", "otelEndpointOverride")
_DEFAULT_MINUTES = {
    "autoStopInterval": 15,
    "autoPauseInterval": 0,
    "autoArchiveInterval": 10080,
    "autoDeleteInterval": -1,
}
_DEFAULT_SIZE = {"cpu": 1, "gpu": 0, "memory": 1, "disk": 3}
_KEPT = ("networkAllowList", "domainAllowList", "outboundProxyUrl", "otelEndpointOverride", "queueTimeout", "volumes")


@dataclass(slots=True)
class Box:
    """A sandbox's record, its root directory, and while it is started its jail. Times are seconds of the epoch."""

    wanted: dict[str, Any]
    """The body of the create request, kept up to date by later changes."""

    snapshot: str | None
    build: dict[str, Any] | None
    root: Path
    preparing: list[str] = field(default_factory=list)
    """Shell commands that are run before it is started for the first time."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "creating"
    desired: str = "started"
    error_reason: str | None = None
    created: float = field(default_factory=time.time)
    changed: float = field(default_factory=time.time)
    active: float = field(default_factory=time.time)
    jail: Jail | None = None
    running: int = 0
    """Commands in progress."""

    moving: asyncio.Task[None] | None = None
    """The change of state in progress."""

    @property
    def name(self) -> str:
        """Return the caller's name for it, else its id."""
        return str(self.wanted.get("name") or self.id)

    @property
    def labels(self) -> dict[str, str]:
        """Return its labels."""
        return dict(self.wanted.get("labels") or {})

    def minutes(self, name: str) -> int:
        """Return an interval in minutes."""
        return int(self.wanted.get(name, _DEFAULT_MINUTES[name]))

    def shown(self, toolbox: str, minute_seconds: float) -> dict[str, Any]:
        """Write it as the API shows a single sandbox."""
        wanted = self.wanted
        shown = {
            "id": self.id, "organizationId": ORGANIZATION, "name": self.name, "snapshot": self.snapshot,
            "user": wanted.get("user", "daytona"), "env": wanted.get("env", {}), "labels": self.labels,
            "public": wanted.get("public", False), "networkBlockAll": wanted.get("networkBlockAll", False),
            "kvm": wanted.get("kvm", False), "target": wanted.get("target", "emulator"), "spot": False,
            "state": self.state, "desiredState": self.desired, "errorReason": self.error_reason,
            "backupState": "None", "sandboxClass": "container", "daemonVersion": DAEMON_VERSION,
            "createdAt": moment(self.created), "updatedAt": moment(self.changed), "lastActivityAt": moment(self.active),
            "toolboxProxyUrl": toolbox, "buildInfo": self.build,
        }  # fmt: skip
        shown |= {name: wanted.get(name, size) for name, size in _DEFAULT_SIZE.items()}
        shown |= {name: self.minutes(name) for name in _DEFAULT_MINUTES}
        shown |= {name: wanted[name] for name in _KEPT if name in wanted}
        if wanted.get("ttlMinutes"):
            shown["autoDestroyAt"] = moment(self.created + wanted["ttlMinutes"] * minute_seconds)
        return {name: value for name, value in shown.items() if value is not None}

    def listed(self, toolbox: str, minute_seconds: float) -> dict[str, Any]:
        """Write it as the API shows it in a list, which has less."""
        shown = self.shown(toolbox, minute_seconds)
        return {name: value for name, value in shown.items() if name not in _ONLY_IN_FULL}


def moment(seconds: float) -> str:
    """Write a time as the API does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
