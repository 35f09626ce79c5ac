"""Make the contenders that need nothing but the standard library: the service's client, bare and jailed commands.

Each contender is opened for a case and a number of callers, and gives a function to call. ``None`` means that it
cannot do the case; ``CANNOT`` says why.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import http
from bench.measure import Failed
from bench.programs import Case

Call = Callable[[int], None]
Contender = Callable[["Place", Case, int], "contextlib.AbstractContextManager[Call | None]"]


@dataclass(frozen=True, slots=True)
class Place:
    """Paths of the sandbox runtime, bubblewrap and the service."""

    runtime: str
    bwrap: str
    port: int = 0
    key: str = ""

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of programs: what the service's programs have, too."""
        return {
            "PATH": f"{self.runtime}/bin:/usr/bin:/bin", "MPLBACKEND": "Agg", "HOME": "/tmp", "LC_ALL": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
        }  # fmt: skip


def command_of(place: Place, case: Case) -> list[str]:
    """Write the bare command of a case, with the runtime that the service uses for it."""
    if case.lang == "py":
        return [f"{place.runtime}/bin/python3", "-c", case.code]
    if case.lang == "bash":
        return ["bash", "-c", case.code]
    return [f"{place.runtime}/bin/bun", "-e", case.code]


def jailed(place: Place, directory: str, command: list[str]) -> list[str]:
    """Put a command into a bare bubblewrap, with everything unshared and a writable directory."""
    shown = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    shown += ["--ro-bind", place.runtime, place.runtime]  # it may lie below /tmp
    return [place.bwrap, "--unshare-all", *shown, "--bind", directory, "/mnt", "--chdir", "/mnt", *command]


def _run(command: list[str], env: dict[str, str], directory: str, case: Case) -> None:
    done = subprocess.run(command, env=env, cwd=directory, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode or done.stdout.decode().strip() != case.prints:
        raise Failed(f"{done.returncode}: {done.stderr[-150:]!r}")
    if case.leaves:
        Path(directory, case.leaves).unlink()


@contextlib.contextmanager
def _directories(at_once: int) -> Iterator[list[str]]:
    """Return each caller a directory of its own."""
    with tempfile.TemporaryDirectory() as root:
        places = [Path(root, str(number)) for number in range(at_once)]
        for path in places:
            path.mkdir()
        yield [str(path) for path in places]


@contextlib.contextmanager
def bare(place: Place, case: Case, at_once: int) -> Iterator[Call | None]:
    """Start the program as a plain process: no isolation at all."""
    command = command_of(place, case)
    with _directories(at_once) as directories:
        yield lambda number: _run(command, place.env, directories[number], case)


@contextlib.contextmanager
def bwrap(place: Place, case: Case, at_once: int) -> Iterator[Call | None]:
    """Start it in a bubblewrap of its own: isolation without limits, seccomp, files, sessions or HTTP."""
    command = command_of(place, case)
    with _directories(at_once) as directories:
        commands = [jailed(place, directory, command) for directory in directories]
        yield lambda number: _run(commands[number], place.env, directories[number], case)


@contextlib.contextmanager
def service(place: Place, case: Case, at_once: int) -> Iterator[Call | None]:
    """Ask the service over HTTP, a new session for each request."""
    yield lambda _: http.run_case(place.port, place.key, case)


CONTENDERS: dict[str, Contender] = {"service": service, "bare": bare, "bwrap": bwrap}
CANNOT: dict[tuple[str, str], str] = {
    ("llm-sandbox", "ts"): "it has no TypeScript",
    ("ipykernel", "js"): "a Python kernel",
    ("ipykernel", "ts"): "a Python kernel",
}
