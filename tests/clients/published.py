"""Every version of @librechat/agents on npm, installed with the dependencies that its code tools load.

A whole install takes half a minute and 385 MB in 250 packages, nearly all of it for model providers. The code tools
load about 70 of them: those are installed, by the ranges in the client's own package.json. The client itself is npm's
tarball, unchanged. A version with a lock in `versions/` is installed from that, whole.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.clients.client import DriverFailed, DriverProcesses, Json
from tests.clients.generations import generation_of, parse_version
from tests.clients.npm import CACHE, INSTALL_OPTIONS, VERSIONS, installed, locked, npm

PACKAGE = "@librechat/agents"
PUBLISHED = CACHE / "published"
TOOLS = ("CodeExecutor", "BashExecutor", "ProgrammaticToolCalling", "BashProgrammaticToolCalling", "ToolNode")
# Loaded, but not declared: they come with declared packages that are not loaded.
UNDECLARED = {"@opentelemetry/api": "^1.9.0", "zod-to-json-schema": "^3.25.0"}
_REQUIRED = re.compile(r"""\b(?:require|import)\(\s*['"]([^'"]+)['"]\s*\)""")


class CodeToolMissing(Exception):
    """The package has no code tool where all versions since 1.6 have it."""


def published_versions() -> list[str]:
    """Ask npm for all versions, oldest first, without npm's cache."""
    listed = json.loads(npm("view", PACKAGE, "versions", "--json", "--prefer-online", cwd=Path.cwd()))
    return sorted(listed if isinstance(listed, list) else [listed], key=parse_version)


def install_published(version: str) -> Path:
    """Return the npm project of a version, installing it first where needed. Raises CodeToolMissing, InstallFailed."""
    generation = generation_of(version)
    if generation is None:
        raise CodeToolMissing(f"{version} is older than the code tool")
    if (VERSIONS / version).is_dir():
        return installed(version)
    target, wanted = PUBLISHED / version, json.dumps(generation.packages)
    with locked(f"published-{version}"):
        stamp = target / ".installed"
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            _install(target, version, generation.packages)
            stamp.write_text(wanted)
    return target


def _install(target: Path, version: str, packages: dict[str, str]) -> None:
    unpacked = _unpack(target, version)
    manifest = json.loads((unpacked / "package.json").read_text())
    loaded = _loaded_packages(unpacked)
    declared = {**UNDECLARED, **manifest["dependencies"]}
    needed = {name: declared[name] for name in loaded if name in declared}
    _install_dependencies(target, {**packages, **needed})
    agents = target / "node_modules" / PACKAGE
    agents.parent.mkdir(exist_ok=True)
    shutil.move(unpacked, agents)
    if not _loads(target):  # it needs more than its code shows
        _install_dependencies(target, {**packages, PACKAGE: version})


def _unpack(target: Path, version: str) -> Path:
    [packed] = json.loads(npm("pack", f"{PACKAGE}@{version}", "--json", "--prefer-offline", cwd=target))
    archive = target / str(packed["filename"])
    shutil.unpack_archive(archive, target / "tarball")
    archive.unlink()
    return target / "tarball" / "package"


def _install_dependencies(target: Path, dependencies: dict[str, Any]) -> None:
    manifest: Json = {"name": f"client-{target.name}", "private": True, "dependencies": dependencies}
    (target / "package.json").write_text(json.dumps(manifest, indent=2))
    # --force, since the clients' peer ranges contradict each other, and yet some of what is loaded is only a peer.
    npm("install", "--force", *INSTALL_OPTIONS, cwd=target)


def _loads(target: Path) -> bool:
    with suppress(DriverFailed), DriverProcesses(target, "http://127.0.0.1:9", "key") as processes:
        processes.run("conversation", {"turns": []})
        return True
    return False


def _loaded_packages(package: Path) -> set[str]:
    """Follow `require` from the code tools through the package; name the other packages that it leads to."""
    waiting = [path for name in TOOLS if (path := package / "dist/cjs/tools" / f"{name}.cjs").exists()]
    if package / "dist/cjs/tools/CodeExecutor.cjs" not in waiting:
        raise CodeToolMissing("no dist/cjs/tools/CodeExecutor.cjs")
    seen, found = set(waiting), set()
    while waiting:
        file = waiting.pop()
        for name in _required(file):
            if not name.startswith("."):
                found.add("/".join(name.split("/")[: 2 if name.startswith("@") else 1]))
            elif (path := (file.parent / name).resolve()) not in seen:
                seen.add(path)
                waiting.append(path)
    return found


def _required(file: Path) -> Iterator[str]:
    return (match[1] for match in _REQUIRED.finditer(file.read_text()))
