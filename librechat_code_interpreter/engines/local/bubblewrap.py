"""Command line of the outer jail: bubblewrap around the zygote.

Never run bubblewrap as the real root: an inner uid that maps to root's may write kernel settings through ``/proc``.
As root the service drops to ``SANDBOX_UID`` first (``launch``). Files that this uid cannot reach by path are mounted
elsewhere for it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from librechat_code_interpreter.engines.local.inside import jail

PROJECT = Path(__file__).resolve().parents[3]
CODE = "/opt/adapter"
RUNTIME = "/opt/sandbox"
ETC_NAMES = (
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "fonts", "localtime"),
    *("ssl/certs", "ssl/openssl.cnf", "ca-certificates"),
    *("java-*-openjdk", "php", "R", "ldc2.conf", "ImageMagick-*", "libreoffice"),
)
"""Patterns of what programs see of the host's ``/etc``."""

_PASSWD = f"root:x:0:0:root:/root:/usr/sbin/nologin\nsandbox:x:{jail.UID}:{jail.GID}::{jail.WORKSPACE}:/bin/bash\n"
_GROUP = f"root:x:0:\nsandbox:x:{jail.GID}:\n"
_HOSTS = "127.0.0.1 localhost sandbox\n::1 localhost\n"


@dataclass(slots=True)
class BubblewrapCommand:
    """Arguments of bubblewrap, the descriptors that it must inherit, and the mounts to make before it.

    ``staging`` is a directory that ``uid`` can reach. ``staged`` pairs sources that ``uid`` cannot reach with paths in
    ``staging``.
    """

    uid: int
    staging: Path
    arguments: list[str] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    staged: list[tuple[str, str]] = field(default_factory=list)

    def bind(self, source: Path, target: str | None = None) -> None:
        """Mount a host file or directory read-only, at its own path unless ``target`` is given."""
        self.arguments += ["--ro-bind", str(self.reachable(source)), target or str(source)]

    def reachable(self, source: Path) -> Path:
        """Return a path of the source that ``uid`` can reach: its own, or where it will be mounted before the start."""
        if is_reachable(source, self.uid):
            return source
        place = self.staging / str(len(self.staged))
        place.mkdir()
        self.staged.append((str(source), str(place)))
        return place

    def write(self, text: str, target: str) -> None:
        """Mount a small file with this text."""
        descriptor = memory_file(text)
        self.descriptors.append(descriptor)
        self.arguments += ["--ro-bind-data", str(descriptor), target]

    def close(self) -> None:
        """Close this process's copies of the descriptors."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


def is_reachable(path: Path, uid: int) -> bool:
    """Return whether a uid can reach a path: the uid is ours, or everybody may enter all parent directories."""
    return uid == os.geteuid() or all(parent.stat().st_mode & 0o001 for parent in path.parents)


def memory_file(text: str) -> int:
    """Write the text to a memory file and return its descriptor, positioned at the start."""
    descriptor = os.memfd_create("adapter")
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def build(outer: BubblewrapCommand, code: Path, runtime: Path, base: Path, env: dict[str, str]) -> None:
    """Add what the outer jail shows: the system's programs, the sandbox runtime, our code, and nothing else."""
    outer.arguments += [
        "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--uid", str(jail.UID), "--gid", str(jail.GID), "--hostname", "sandbox", "--cap-add", "ALL",
        "--die-with-parent", "--new-session", "--clearenv",
    ]  # fmt: skip
    for name, value in env.items():
        outer.arguments += ["--setenv", name, value]
    outer.bind(Path("/usr"))
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        link = Path("/", name)
        if link.is_symlink():
            outer.arguments += ["--symlink", os.readlink(link), str(link)]
        elif link.is_dir():
            outer.bind(link)
    for name in ETC_NAMES:
        for path in Path("/etc").glob(name):
            if path.exists():  # otherwise a dangling link
                outer.bind(path.resolve(), str(path))
    outer.write(_PASSWD, "/etc/passwd")
    outer.write(_GROUP, "/etc/group")
    outer.write(_HOSTS, "/etc/hosts")
    outer.bind(runtime, RUNTIME)
    if base != Path("/usr"):
        outer.bind(base)
    for part in ("runner", "engines/local/inside"):
        outer.bind(code / part, f"{CODE}/librechat_code_interpreter/{part}")
    outer.arguments += ["--proc", "/proc"]
    _devices(outer)
    for directory in (jail.WORKSPACE, jail.ALIAS):
        outer.arguments += ["--dir", directory]
    outer.arguments += ["--tmpfs", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]


def _devices(outer: BubblewrapCommand) -> None:
    """Add a small ``/dev`` instead of bubblewrap's own.

    For its pseudo-terminals bubblewrap nests a second user namespace, which would leave the zygote without power over
    its mounts.
    """
    outer.arguments += ["--tmpfs", "/dev", "--dir", "/dev/shm"]
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        outer.arguments += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        outer.arguments += ["--symlink", f"/proc/self/{target}", f"/dev/{name}"]
