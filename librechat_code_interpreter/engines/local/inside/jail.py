"""Jail: a fresh fork of the zygote in namespaces of its own.

With full isolation, this is the one place inside bubblewrap where mounts are made and privileges dropped.

The order matters. Each step lists what it needs:

1. ``fork`` and ``prepare``, ahead of time: own processes, network, IPC and host name (needs capabilities in the
   zygote's user namespace). The socket of a proxy, if there is one, is made here and passed to the service: see
   ``engines.local.egress_proxy``.
2. ``_enter_mounts``: a copy of the sandbox's mount namespace; own view of control groups; own ``/proc``, ``/tmp`` and
   ``/dev/shm`` (needs the same capabilities).
3. ``_become_nobody``: a user namespace of its own, which owns none of the above. So nothing of it can be undone from
   then on. Then no capabilities, no new privileges, the seccomp filter.
"""

from __future__ import annotations

import os
import socket

from librechat_code_interpreter.engines.local.inside import syscalls as sys_
from librechat_code_interpreter.engines.local.inside.limits import FontCache, JailLimits

WORKSPACE = "/mnt/data"
ALIAS = "/workspace"
SCRATCH = "/tmp"
UID = GID = 1000
MATPLOTLIB_CONFIG = "/tmp/.matplotlib"
PROXY_PORT = 3128

_GUARDED = sys_.MS_NOSUID | sys_.MS_NODEV
_SHUT = sys_.CLONE_NEWNET | sys_.CLONE_NEWIPC | sys_.CLONE_NEWUTS


class NamespaceJails:
    """Jails in namespaces, one for each run.

    Each sandbox has a mount namespace that differs from the zygote's by one workspace.
    """

    workspace: str | None = WORKSPACE

    def __init__(self, limits: JailLimits) -> None:
        self._limits = limits
        self._fonts = FontCache(limits.font_cache)
        self._filter = sys_.Filter(limits.seccomp)
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._own_mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def warm_up(self) -> None:
        self._fonts.offer(MATPLOTLIB_CONFIG)

    def make_workspace(self) -> list[int]:
        """Mount an empty, size-limited workspace at both of its paths (K13), in a mount namespace of its own.

        Return descriptors of the namespace and of the workspace. Afterwards this process is in its own mount namespace
        again.
        """
        sys_.unshare(sys_.CLONE_NEWNS)
        try:
            limits = self._limits
            size = f"size={limits.workspace_bytes},nr_inodes={limits.workspace_files},mode=0755,uid={UID},gid={GID}"
            sys_.mount("tmpfs", WORKSPACE, "tmpfs", _GUARDED, size)
            sys_.mount(WORKSPACE, ALIAS, None, sys_.MS_BIND)
            directory = os.open(WORKSPACE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            return [os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC), directory]
        finally:
            sys_.setns(self._own_mounts, sys_.CLONE_NEWNS)

    def fork(self) -> int:
        """Fork the first process of a new pid namespace. When it ends, the kernel kills all others in it."""
        sys_.unshare(sys_.CLONE_NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid != 0:
                sys_.setns(self._own_pids, sys_.CLONE_NEWPID)
        return pid

    def prepare(self) -> socket.socket | None:
        sys_.unshare(_SHUT)
        sys_.bring_up_loopback()
        socket.sethostname("sandbox")
        return socket.create_server(("127.0.0.1", PROXY_PORT)) if self._limits.has_proxy else None

    def enter(self, descriptor: int) -> int | None:
        self._enter_mounts(descriptor)
        os.close(descriptor)
        oom = os.open("self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC, dir_fd=self._proc)
        self._become_nobody()
        for inherited in (self._own_pids, self._own_mounts, self._proc):
            os.close(inherited)
        return oom

    def _enter_mounts(self, namespace: int) -> None:
        limits = self._limits
        sys_.setns(namespace, sys_.CLONE_NEWNS)
        sys_.unshare(
            sys_.CLONE_NEWNS | sys_.CLONE_NEWCGROUP
        )  # by now we are in a control group of our own: hide its path
        sys_.mount("proc", "/proc", "proc", _GUARDED | sys_.MS_NOEXEC)
        sys_.mount("tmpfs", "/tmp", "tmpfs", _GUARDED, f"size={limits.tmp_bytes},nr_inodes=20000,mode=1777")
        sys_.mount("tmpfs", "/dev/shm", "tmpfs", _GUARDED, f"size={limits.shm_bytes},nr_inodes=1000,mode=1777")
        self._fonts.offer(MATPLOTLIB_CONFIG)

    def _become_nobody(self) -> None:
        """Drop all power over the namespaces made so far, and every privilege.

        The uid map is written through the zygote's ``/proc``, because ours is read-only by then.
        """
        sys_.mount("proc", "/proc", None, sys_.MS_REMOUNT | sys_.MS_BIND | sys_.MS_RDONLY | _GUARDED | sys_.MS_NOEXEC)
        sys_.unshare(sys_.CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{UID} {UID} 1"), ("gid_map", f"{GID} {GID} 1")):
            descriptor = os.open(f"self/{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._proc)
            os.write(descriptor, text.encode())
            os.close(descriptor)
        self._limits.apply()
        sys_.drop_all_capabilities()
        self._filter.install()
        sys_.set_dumpable(False)
