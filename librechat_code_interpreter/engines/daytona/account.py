"""Settings of the Daytona engine, and the SDK parameters made from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from daytona import (
    AsyncDaytona,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaConfig,
    Resources,
)

from librechat_code_interpreter.engines.daytona import archive

Network = Literal["inherit", "block", "allow", "allow-list"]

APP_LABEL = "lc_app"
INSTANCE_LABEL = "lc_instance"
RUNNER_LABEL = "lc_runner"


@dataclass(frozen=True, slots=True)
class DaytonaSettings:
    """Settings of the Daytona engine; ``app`` is the same for all replicas of one deployment."""

    api_key: str
    api_url: str | None = None
    target: str | None = None
    snapshot: str | None = None
    image: str | None = None
    network: Network = "inherit"
    network_allow_list: str | None = None
    cpu: int | None = None
    memory_gib: int | None = None
    disk_gib: int | None = None
    auto_stop_minutes: int = 60
    ttl_minutes: int = 720
    warm_sandboxes: int = 0
    max_connections: int = 250
    longest_run_seconds: float = 300.0
    app: str = "librechat-code"
    has_shared_leases: bool = False
    """Whether the leases include other replicas' sandboxes; if not, a sweep leaves those sandboxes alone."""


def connect(settings: DaytonaSettings) -> AsyncDaytona:
    """Create the SDK client of this process; it connects on first use."""
    return AsyncDaytona(
        DaytonaConfig(
            api_key=settings.api_key,
            api_url=settings.api_url,
            target=settings.target,
            connection_pool_maxsize=settings.max_connections,
            otel_enabled=False,
        )
    )


def new_sandbox(
    settings: DaytonaSettings, instance: str
) -> CreateSandboxFromSnapshotParams | CreateSandboxFromImageParams:
    """Return the parameters of a new sandbox.

    They contain no environment, volumes, secrets or user: with any of these Daytona does not hand out a warm sandbox.
    """
    common: dict[str, Any] = {
        "labels": {APP_LABEL: settings.app, INSTANCE_LABEL: instance, RUNNER_LABEL: archive.runner_name()},
        "ephemeral": True,
        "auto_stop_interval": settings.auto_stop_minutes,
        "ttl_minutes": settings.ttl_minutes,
        **_network(settings),
    }
    if settings.image is None:
        return CreateSandboxFromSnapshotParams(snapshot=settings.snapshot, **common)
    return CreateSandboxFromImageParams(image=settings.image, resources=resources(settings), **common)


def resources(settings: DaytonaSettings) -> Resources | None:
    """Return the sandbox size set by the operator, or ``None`` if nothing is set."""
    if not any((settings.cpu, settings.memory_gib, settings.disk_gib)):
        return None
    return Resources(cpu=settings.cpu, memory=settings.memory_gib, disk=settings.disk_gib)


def _network(settings: DaytonaSettings) -> dict[str, bool | str | None]:
    match settings.network:
        case "block":
            return {"network_block_all": True}
        case "allow":
            return {"network_block_all": False}
        case "allow-list":
            return {"network_allow_list": settings.network_allow_list}
        case _:
            return {}
