"""Start a service of our own to attack, with secrets to look for, and look at it from the host."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attack.target import Target
from librechat_code_interpreter.engines.local.bubblewrap import PROJECT
from librechat_code_interpreter.engines.local.cgroups import in_use
from librechat_code_interpreter.settings import Settings

_READY_SECONDS = 120.0
_STOP_SECONDS = 40.0
SETTLE_SECONDS = 20.0
_POLL_SECONDS = 0.02
_HANDED_ON = re.compile("sandbox_|(run|stdout|stderr|artifact)_")
QUICK = {
    "SANDBOX_MEMORY_BYTES": "160MiB", "SANDBOX_PROCESSES": "64", "SANDBOX_WORKSPACE_BYTES": "24MiB",
    "SANDBOX_WORKSPACE_FILES": "3000", "SANDBOX_TMP_BYTES": "16MiB", "SANDBOX_SHM_BYTES": "8MiB",
    "STDERR_MAX_BYTES": "1MiB", "ARTIFACT_MAX_BYTES": "4MiB", "SANDBOX_PRELOAD": "numpy",
    "UPLOAD_MAX_BYTES": "2MiB",
}  # fmt: skip
"""Small limits, so that the bombs go off quickly."""

_FIXED = {"MAX_SANDBOXES": "8", "MAX_CONCURRENT_RUNS": "6", "ADAPTER_ENGINE": "local", "SANDBOX_STANDBY": "1"}
_MARKED_PLACES = ("/", "/tmp", "/var/tmp", "/dev/shm", "/mnt", "/mnt/data", "/workspace", "/etc", "/root")


class ServiceFailed(Exception):
    """The service did not start; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """Count what the service and its programs hold of the machine."""

    processes: int
    descriptors: int
    mounts: int
    groups: int
    directories: int
    shared_memory: int

    def excess(self, before: Holdings) -> list[str]:
        """Name what there is more of than before."""
        return [
            f"{getattr(self, name) - getattr(before, name)} more {name}"
            for name in self.__slots__
            if getattr(self, name) > getattr(before, name)
        ]


class OwnService:
    """Own the process of a service, and the directory it lives in."""

    def __init__(self, settings: Settings, mark: str, *, quick: bool) -> None:
        self.secrets = {
            kind: f"CANARY-{kind}-{secrets.token_hex(12)}" for kind in ("key", "environment", "host", "neighbour")
        }
        self.directory = Path(tempfile.mkdtemp(prefix="adapter-attack-"))
        self._mark = mark
        self._uid = settings.sandbox_uid
        for path in (self.directory, self.directory / "tmp"):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)  # the sandbox's uid may pass: that it cannot read what lies there is the jail's doing
        (self.directory / "secret.txt").write_text(self.secrets["host"])
        self.target = Target(f"http://127.0.0.1:{_free_port()}", self.secrets["key"])
        self._process = self._start(_environment(settings, quick=quick))
        self._before: Holdings | None = None

    def _start(self, settings: dict[str, str]) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            **settings,
            **_FIXED,
            "PYTHONPATH": str(PROJECT),
            "TMPDIR": str(self.directory / "tmp"),
            "FILE_STORE_URL": str(self.directory / "store"),
            "ADAPTER_API_KEY": self.secrets["key"],
            "ATTACK_SECRET": self.secrets["environment"],
        }
        command = [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(self.target.port)]
        command += ["--http", "librechat_code_interpreter.api.connection_limits:BoundedConnection"]
        with (self.directory / "log").open("wb") as log:
            return subprocess.Popen(command, cwd=self.directory, env=environment, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        """Name the service's process."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Return when programs run. Raises ``ServiceFailed``."""
        deadline = time.monotonic() + _READY_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServiceFailed(f"The service under attack did not start:\n{self.log()[-3000:]}")
            time.sleep(_POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self.target.call("GET", "/readyz").status == 200
        except OSError:
            return False

    def log(self) -> str:
        """Return what the service has logged."""
        return (self.directory / "log").read_text(errors="replace")

    def remember(self) -> None:
        """Note what is held when nothing is under attack."""
        time.sleep(0.5)
        self._before = self._holdings()

    def left(self) -> list[str]:
        """List what an attack has left on the host, after a short wait for what is ending."""
        if self._process.poll() is not None:
            return [f"the service ended with {self._process.returncode}"]
        deadline = time.monotonic() + SETTLE_SECONDS
        while excess := self._excess():
            if time.monotonic() > deadline:
                return excess
            time.sleep(_POLL_SECONDS)
        return []

    def _excess(self) -> list[str]:
        marked = [f"{path} on the host" for place in _MARKED_PLACES for path in _glob(Path(place), f"*{self._mark}*")]
        return marked + (self._holdings().excess(self._before) if self._before else [])

    def _holdings(self) -> Holdings:
        below = descendants(self.pid)
        return Holdings(
            processes=len(below),
            descriptors=_count(Path(f"/proc/{self.pid}/fd")),
            mounts=sum(_lines(f"/proc/{pid}/mountinfo") for pid in (self.pid, *below[:2])),
            groups=sum(in_use(_glob(place, f"**/adapter-{self.pid}-*/*/")) for place in _hierarchies()),
            directories=_count(self.directory / "tmp"),
            shared_memory=_of_uid("/proc/sysvipc/shm", self._uid) + _of_uid("/proc/sysvipc/msg", self._uid),
        )

    def pids(self) -> list[int]:
        """Name the service's process and all below it."""
        return [self.pid, *descendants(self.pid)]

    def close(self) -> None:
        """End the service and remove its directory."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def _environment(settings: Settings, *, quick: bool) -> dict[str, str]:
    """Hand the operator's own sandbox settings on, with smaller limits for the quick form."""
    handed = {
        name.upper(): str(value)
        for name, value in settings.model_dump().items()
        if _HANDED_ON.match(name) and value is not None
    }
    handed["SANDBOX_RUNTIME"] = str(settings.sandbox_runtime.resolve())
    return handed | (QUICK if quick else {})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def descendants(root: int) -> list[int]:
    """Return the descendants of a process, zombies included, the nearest first."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            below.setdefault(parent, []).append(int(path.name))
    found, level = [], [root]
    while level:
        level = sorted(child for pid in level for child in below.get(pid, []))
        found += level
    return found


def _count(directory: Path) -> int:
    try:
        return len(os.listdir(directory))
    except OSError:
        return 0


def _lines(path: str) -> int:
    try:
        return len(Path(path).read_text().splitlines())
    except OSError:
        return 0


def _hierarchies() -> Iterator[Path]:
    root = Path("/sys/fs/cgroup")
    yield from (root / name for name in ("memory", "pids", "cpu", "unified"))
    if (root / "cgroup.controllers").exists():
        yield root


def _glob(place: Path, pattern: str) -> list[Path]:
    try:
        return list(place.glob(pattern))
    except OSError:
        return []


def _of_uid(path: str, uid: int) -> int:
    try:
        rows = [line.split() for line in Path(path).read_text().splitlines()]
    except OSError:
        return 0
    column = rows[0].index("uid") if rows else 0
    return sum(row[column] == str(uid) for row in rows[1:])
