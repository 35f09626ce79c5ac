"""Turn a fresh fork of the zygote into a jail: the one place where mounts and privileges are handled.

The order matters, and each step says what it needs:

1. ``close_doors``, ahead of time: own network, IPC, host name and cgroup view (capabilities of the zygote's user
   namespace).
2. ``enter_workspace``: the sandbox's mount namespace, copied; own ``/proc``, ``/tmp``, ``/dev/shm`` (same
   capabilities).
3. ``become_nobody``: a user namespace of its own, which owns none of the above, so nothing of it can be undone from
   here on;
   then no capabilities, no new privileges, the seccomp filter.
"""

from __future__ import annotations

import os
import resource
import socket
from dataclasses import dataclass
from pathlib import Path

from app.engines.local.inside import syscalls as sys_

WORKSPACE = "/mnt/data"
ALIAS = "/workspace"
UID = GID = 1000
MATPLOTLIB_CONFIG = "/tmp/.matplotlib"


@dataclass(frozen=True, slots=True)
class JailLimits:
    """Bound what one run may take; sizes in bytes."""

    tmp_bytes: int
    shm_bytes: int
    workspace_bytes: int
    workspace_files: int
    processes: int
    open_files: int
    seccomp: bytes
    font_cache: str | None


def close_doors() -> None:
    """Leave every namespace that needs no knowledge of the session."""
    sys_.unshare(sys_.CLONE_NEWNET | sys_.CLONE_NEWIPC | sys_.CLONE_NEWUTS | sys_.CLONE_NEWCGROUP)
    sys_.bring_up_loopback()
    socket.sethostname("sandbox")


def make_workspace(limits: JailLimits) -> None:
    """Mount an empty, size-limited workspace in the current mount namespace, at both of its names (K13)."""
    size = f"size={limits.workspace_bytes},nr_inodes={limits.workspace_files},mode=0755,uid={UID},gid={GID}"
    sys_.mount("tmpfs", WORKSPACE, "tmpfs", sys_.MS_NOSUID | sys_.MS_NODEV, size)
    sys_.mount(WORKSPACE, ALIAS, None, sys_.MS_BIND)


def enter_workspace(mount_namespace: int, limits: JailLimits) -> None:
    """Enter a private copy of the sandbox's mounts, with fresh ``/proc``, ``/tmp`` and ``/dev/shm``."""
    sys_.setns(mount_namespace, sys_.CLONE_NEWNS)
    sys_.unshare(sys_.CLONE_NEWNS)
    guarded = sys_.MS_NOSUID | sys_.MS_NODEV
    sys_.mount("proc", "/proc", "proc", guarded | sys_.MS_NOEXEC)
    sys_.mount("tmpfs", "/tmp", "tmpfs", guarded, f"size={limits.tmp_bytes},nr_inodes=20000,mode=1777")
    sys_.mount("tmpfs", "/dev/shm", "tmpfs", guarded, f"size={limits.shm_bytes},nr_inodes=1000,mode=1777")
    offer_font_cache(limits.font_cache)


def offer_font_cache(directory: str | None) -> None:
    """Link the ready-made matplotlib font cache into a writable directory (building it costs 0.8 s)."""
    if directory is None:
        return
    os.mkdir(MATPLOTLIB_CONFIG)
    for cache in Path(directory).glob("fontlist-*.json"):
        os.symlink(cache, f"{MATPLOTLIB_CONFIG}/{cache.name}")


def become_nobody(outer_proc: int, limits: JailLimits) -> None:
    """Give up all power over the namespaces made so far, and every privilege.

    ``outer_proc`` is a descriptor of the zygote's ``/proc``: ours is remounted read-only before the uid map can be
    written.
    """
    sys_.mount("proc", "/proc", None, sys_.MS_REMOUNT | sys_.MS_BIND | sys_.MS_RDONLY | 0xE)
    sys_.unshare(sys_.CLONE_NEWUSER)
    _write(outer_proc, "self/setgroups", "deny")
    _write(outer_proc, "self/uid_map", f"{UID} {UID} 1")
    _write(outer_proc, "self/gid_map", f"{GID} {GID} 1")
    resource.setrlimit(resource.RLIMIT_NPROC, (limits.processes, limits.processes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_MSGQUEUE, (0, 0))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
    sys_.drop_all_capabilities()
    sys_.install_seccomp(limits.seccomp)
    sys_.set_dumpable(False)


def _write(directory: int, name: str, text: str) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
