"""Releases of LibreChat, taken out of a git checkout into a cache that git never sees."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CACHE = Path(__file__).parents[2] / ".cache" / "librechat"
PARTS = ("api", "packages", "package-lock.json")


class ReleaseMissing(Exception):
    """The checkout has no such tag or commit."""


@dataclass(frozen=True)
class Release:
    """LibreChat's sources at one tag (or another name of a commit)."""

    tag: str
    commit: str
    date: str
    directory: Path

    @property
    def locked(self) -> dict[str, str]:
        """The versions that the release's lock file gives the server, by package."""
        lock: dict[str, Any] = json.loads((self.directory / "package-lock.json").read_text())
        return {
            path.removeprefix(place): entry["version"]
            for place in ("node_modules/", "api/node_modules/")  # the server's own come last and win
            for path, entry in lock["packages"].items()
            if path.startswith(place) and "node_modules/" not in path.removeprefix(place) and "version" in entry
        }

    @property
    def mints_tokens(self) -> bool:
        """Whether this LibreChat can sign tokens for the Code API; then it sends no API key any more."""
        return (self.directory / "packages" / "api" / "src" / "auth" / "codeapi.ts").exists()

    def dockerfile(self, checkout: Path) -> str:
        """The release's Dockerfile."""
        return _git(checkout, "show", f"{self.commit}:Dockerfile").decode()


def extract(checkout: Path, tag: str) -> Release:
    """Extract the sources of `tag` unless they are there. Raises ReleaseMissing."""
    try:
        commit, date = _git(checkout, "log", "-1", "--format=%H %cs", tag, "--").decode().split()
    except subprocess.CalledProcessError as error:
        raise ReleaseMissing(f"{checkout} has no {tag}: {error.stderr.decode().strip()}") from error
    directory = CACHE / tag.replace("/", "_")
    stamp = directory / ".commit"
    if not stamp.exists() or stamp.read_text() != commit:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (CACHE / ".gitignore").write_text("*\n")
        sources = _git(checkout, "archive", commit, *PARTS)
        subprocess.run(["tar", "-x", "-C", str(directory)], input=sources, check=True)
        stamp.write_text(commit)
    return Release(tag, commit, date, directory)


def _git(checkout: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(checkout), *arguments], capture_output=True, check=True).stdout
