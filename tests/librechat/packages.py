"""What LibreChat's server needs from npm, and the packages that LibreChat builds from its own tree.

Versions are those of the release's lock file, or the nearest that npm has.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.clients.npm import INSTALL_OPTIONS, node, npm
from tests.librechat.releases import CACHE, Release

CLIENT = "@librechat/agents"
BUNDLER = {"esbuild": "0.28.2"}
BUNDLED = ("data-provider", "data-schemas", "api")
WANTED = (
    CLIENT,
    "axios",
    "dayjs",
    "dedent",
    "file-type",
    "form-data",
    "https-proxy-agent",
    "js-yaml",
    "jsonwebtoken",
    "keyv",
    "lodash",
    "mime",
    "nanoid",
    "node-fetch",
    "sharp",
    "undici",
    "uuid",
    "zod",
    "zod-to-json-schema",
)
# Where the nearest does not do: 3.1.77 has no API key any more, which LibreChat v0.8.5 sends.
CLIENT_INSTEAD = {"3.1.68": "3.1.63"}
# Packages of the client that fit each other only as LibreChat locked them.
HELD_BACK = re.compile(r"@langchain/|openai$")
# Older ones build against the machine's libraries in an install script.
OLDEST_SHARP = (0, 33, 5)
BUNDLE_TIMEOUT_SECONDS = 120
_STABLE = re.compile(r"\d+\.\d+\.\d+")

Version = tuple[int, ...]
Manifest = dict[str, dict[str, str]]


class PackageMissing(Exception):
    """npm has no version of a package that could do."""


class BundleFailed(Exception):
    """The bundler did not finish; the message ends with what it said."""


@dataclass(frozen=True)
class Project:
    """An installed npm project, and the versions that it was asked for."""

    directory: Path
    versions: dict[str, str]

    @property
    def client(self) -> str:
        """The version of `@librechat/agents`."""
        return self.versions[CLIENT]


def install(release: Release) -> Project:
    """Install what the release's server needs, unless it is there. Raises PackageMissing, InstallFailed."""
    chosen = release.directory / "npm.json"
    if not chosen.exists():
        chosen.write_text(json.dumps(_choose(release.locked)))
    manifest: Manifest = json.loads(chosen.read_text())
    return _project(manifest)


def bundle(release: Release) -> None:
    """Bundle the packages of LibreChat's own tree, unless that is done. Raises BundleFailed."""
    target = release.directory / "bundles"
    if target.exists():
        return
    bundler = _project({"dependencies": BUNDLER})
    building = release.directory / "bundles.part"
    script = Path(__file__).parent / "drivers" / "bundle.cjs"
    command = [node(), str(script), str(bundler.directory), str(release.directory / "packages"), str(building)]
    done = subprocess.run(
        [*command, *BUNDLED], capture_output=True, text=True, timeout=BUNDLE_TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise BundleFailed(done.stderr[-3000:])
    building.rename(target)


def _choose(locked: dict[str, str]) -> Manifest:
    """Choose a version of each package, near the one that LibreChat has locked."""
    versions = {name: _published(name, locked[name]) for name in WANTED if name in locked}
    versions[CLIENT] = CLIENT_INSTEAD.get(locked[CLIENT], versions[CLIENT])
    least = _least_versions(versions[CLIENT])
    held_back = {
        name: _published(name, max(locked.get(name, "0.0.0"), least.get(name, "0.0.0"), key=_parts))
        for name in {*locked, *least}
        if HELD_BACK.match(name)
    }
    return {"dependencies": versions, "overrides": held_back}


def _project(manifest: Manifest) -> Project:
    text = json.dumps({"name": "librechat-server", "private": True, **manifest}, indent=1, sort_keys=True)
    directory = CACHE / "npm" / hashlib.sha256(text.encode()).hexdigest()[:16]
    stamp = directory / ".installed"
    if not stamp.exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (directory / "package.json").write_text(text)
        npm("install", "--legacy-peer-deps", *INSTALL_OPTIONS, cwd=directory)
        stamp.touch()
    return Project(directory, manifest["dependencies"])


def _published(name: str, wanted: str) -> str:
    """Choose the version itself, else the next one of its major version, else the last one before it."""
    least = max(_parts(wanted), OLDEST_SHARP) if name == "sharp" else _parts(wanted)
    versions = _versions(name)
    later = [version for version in versions if version >= least and version[0] == least[0]]
    earlier = [version for version in versions if version < least]
    nearest = min(later, default=None) or max(earlier, default=None)
    if nearest is None:
        raise PackageMissing(f"npm has no {name} near {wanted}")
    return ".".join(map(str, nearest))


@cache
def _versions(name: str) -> list[Version]:
    said = json.loads(npm("view", name, "versions", "--json", cwd=Path.cwd()))
    listed = [said] if isinstance(said, str) else said
    return [_parts(version) for version in listed if _STABLE.fullmatch(version)]


def _least_versions(client: str) -> dict[str, str]:
    """Look up the least version of each package that a client accepts."""
    ranges: dict[str, str] = json.loads(npm("view", f"{CLIENT}@{client}", "dependencies", "--json", cwd=Path.cwd()))
    least = {name: _STABLE.search(range_) for name, range_ in ranges.items()}
    return {name: found.group() for name, found in least.items() if found}


def _parts(version: str) -> Version:
    return tuple(int(part) for part in version.partition("-")[0].split("."))
