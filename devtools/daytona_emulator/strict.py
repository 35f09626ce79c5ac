"""Read request bodies as strictly as the real thing: an integer is no float, no string and no truth value."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.requests import Request

from devtools.daytona_emulator.errors import Problem, Source

Kind = type | tuple[type, type]
TEXTS: Final = (list, str)
TEXT_MAP: Final = (dict, str)

CREATE_SANDBOX: Final[dict[str, Kind]] = {
    "name": str, "snapshot": str, "user": str, "target": str, "env": TEXT_MAP, "labels": TEXT_MAP, "public": bool,
    "networkBlockAll": bool, "kvm": bool, "networkAllowList": str, "domainAllowList": str, "outboundProxyUrl": str,
    "otelEndpointOverride": str, "cpu": int, "gpu": int, "memory": int, "disk": int, "gpuType": TEXTS, "spot": bool,
    "autoStopInterval": int, "autoPauseInterval": int, "autoArchiveInterval": int, "autoDeleteInterval": int,
    "ttlMinutes": int, "queueTimeout": int, "volumes": list, "secrets": list, "buildInfo": dict, "linkedSandbox": str,
}  # fmt: skip
CREATE_SNAPSHOT: Final[dict[str, Kind]] = {
    "name": str, "imageName": str, "entrypoint": TEXTS, "cpu": int, "gpu": int, "memory": int, "disk": int,
    "gpuType": TEXTS, "buildInfo": dict, "regionId": str, "sandboxClass": str,
}  # fmt: skip
LABELS: Final[dict[str, Kind]] = {"labels": TEXT_MAP}
NETWORK: Final[dict[str, Kind]] = {"networkBlockAll": bool, "networkAllowList": str, "domainAllowList": str}
EXECUTE: Final[dict[str, Kind]] = {"command": str, "cwd": str, "envs": TEXT_MAP, "timeout": int}
CODE_RUN: Final[dict[str, Kind]] = {"code": str, "language": str, "argv": TEXTS, "envs": TEXT_MAP, "timeout": int}
DOWNLOAD: Final[dict[str, Kind]] = {"paths": TEXTS}


async def body(
    request: Request, kinds: dict[str, Kind], *needed: str, source: Source = "DAYTONA_API"
) -> dict[str, Any]:
    """Read a JSON object whose known fields have the right types; null is as good as absent. Raises ``Problem``."""
    try:
        parsed = json.loads(await request.body())
    except ValueError as error:
        raise Problem(400, f"invalid JSON: {error}", "INVALID_REQUEST_BODY", source) from error
    if not isinstance(parsed, dict):
        raise Problem(400, "the body must be an object", "INVALID_REQUEST_BODY", source)
    given = {name: value for name, value in parsed.items() if value is not None}
    for name in needed:
        if name not in given:
            raise Problem(400, f"{name} is missing", "INVALID_REQUEST_BODY", source)
    for name, kind in kinds.items():
        if name in given and not _fits(given[name], kind):
            raise Problem(400, f"{name} must be {_called(kind)}", "INVALID_REQUEST_BODY", source)
    return given


def integer(text: str, name: str) -> int:
    """Read an integer from a path or query; ``10.0`` is none. Raises ``Problem``."""
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise Problem(400, f"{name} must be an integer")
    return int(text)


def _fits(value: Any, kind: Kind) -> bool:
    if kind == TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind == TEXT_MAP:
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return type(value) is kind


def _called(kind: Kind) -> str:
    names = {int: "an integer", str: "a string", bool: "a boolean", list: "an array", dict: "an object"}
    if isinstance(kind, tuple):
        return f"{names[kind[0]]} of strings"
    return names[kind]
