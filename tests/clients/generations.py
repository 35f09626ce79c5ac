"""The generations of published clients: how each authenticates and hands files on, and which LibreChat used it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

Version = tuple[int, ...]


class Handover(Enum):
    """Who carries the files of one call into the next."""

    LIBRECHAT = "LibreChat"  # it names them in the tool's parameters
    MODEL = "the model"  # it repeats the session id that it was shown; the client lists that session
    TOOL_NODE = "ToolNode"


@dataclass(frozen=True)
class Generation:
    """What all clients from one version on have in common.

    `server` is the convention of LibreChat's own server for uploads and probes, in the words of
    drivers/librechat.cjs; `packages` are the HTTP packages that LibreChat brings beside the client.
    """

    since: str
    sends_key: bool
    handover: Handover
    server: str
    packages: dict[str, str]

    @property
    def credential(self) -> str:
        """What the operator sets: a key that is sent in X-API-Key, or one in the base URL (K6)."""
        return "`X-API-Key`" if self.sends_key else "key in the address"


def _packages(axios: str, form_data: str) -> dict[str, str]:
    return {"axios": axios, "form-data": form_data, "node-fetch": "2.7.0"}


# Each since the version in which LibreChat's history shows the change, published or not.
GENERATIONS = (
    Generation("1.6.0", True, Handover.LIBRECHAT, "old", _packages("1.7.8", "4.0.0")),
    Generation("2.4.0", True, Handover.MODEL, "old", _packages("1.12.1", "4.0.4")),
    Generation("3.0.77", True, Handover.TOOL_NODE, "old", _packages("1.13.5", "4.0.5")),
    Generation("3.1.70", False, Handover.TOOL_NODE, "old", _packages("1.15.0", "4.0.5")),
    Generation("3.1.80", False, Handover.TOOL_NODE, "new", _packages("1.16.0", "4.0.6")),
)

# By LibreChat's own package.json: a release where it names this very version, else the release before.
RELEASES = {
    "1.5.2": "v0.7.5-rc2",
    "1.6.9": "v0.7.5",
    "1.7.7": "after v0.7.5",
    "1.8.8": "v0.7.6",
    "1.9.7": "after v0.7.6",
    "2.0.5": "after v0.7.7-rc1",
    "2.1.2": "after v0.7.7-rc1",
    "2.1.3": "after v0.7.7-rc1",
    "2.2.0": "v0.7.7",
    "2.2.8": "after v0.7.7",
    "2.3.93": "after v0.7.7",
    "2.4.12": "after v0.7.7",
    "2.4.20": "after v0.7.7",
    "2.4.22": "v0.7.8-rc1",
    "2.4.322": "after v0.7.8",
    "2.4.38": "after v0.7.8",
    "2.4.46": "after v0.7.8",
    "2.4.67": "v0.7.9",
    "2.4.69": "v0.8.0-rc1",
    "2.4.73": "after v0.8.0-rc1",
    "2.4.79": "v0.8.0-rc4",
    "2.4.82": "v0.8.0",
    "2.4.85": "after v0.8.0",
    "3.0.50": "v0.8.1",
    "3.1.63": "after v0.8.4",
    "3.1.77": "after v0.8.5",
    "3.1.86": "v0.8.6-rc1",
    "3.2.21": "after v0.8.6",
    "3.2.32": "after v0.8.6",
    "3.2.57": "after v0.8.7",
    "3.3.4": "after v0.8.7",
    "3.3.11": "after v0.8.7",
    "3.4.0": "after v0.8.7",
    "3.6.15": "after v0.8.8-rc1",
    "3.8.0": "after v0.8.8-rc1",
    "3.8.5": "after v0.8.8-rc1",
    "3.9.1": "after v0.8.8-rc1",
    "3.9.2": "after v0.8.8-rc1",
}


def parse_version(version: str) -> Version:
    """Make a version comparable; a pre-release counts as its release."""
    return tuple(int(part) for part in version.partition("-")[0].split("."))


def generation_of(version: str) -> Generation | None:
    """Return the generation of a client, or None when it is older than LibreChat's code tool."""
    known = [each for each in GENERATIONS if parse_version(each.since) <= parse_version(version)]
    return known[-1] if known else None


def is_newer_than_known(version: str) -> bool:
    """Whether a client is newer than all that RELEASES lists."""
    return parse_version(version) > max(map(parse_version, RELEASES))


def release_of(version: str) -> str:
    """Name the LibreChat that used a client."""
    if is_newer_than_known(version):
        return f"newer than {max(RELEASES, key=parse_version)}, taken as such"
    return RELEASES.get(version, "unknown")
