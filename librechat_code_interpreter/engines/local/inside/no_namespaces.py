"""Jails where the machine allows no namespaces: weaker isolation, only if the operator asked for it.

``degraded``: Landlock, seccomp and resource limits. The program sees the machine's processes, and its own directory
under another path than ``/mnt/data``. ``none``: resource limits and seccomp alone.
"""

from __future__ import annotations

import os
import resource
import tempfile

from librechat_code_interpreter.engines.local.inside import landlock
from librechat_code_interpreter.engines.local.inside import syscalls as sys_
from librechat_code_interpreter.engines.local.inside.limits import FontCache, JailLimits

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class PlainJails:
    """Jails without namespaces: each sandbox is a directory of the host, each run a restricted process."""

    workspace: str | None = None

    def __init__(self, limits: JailLimits, *, home: str, readable: list[str], with_landlock: bool) -> None:
        self._limits = limits
        self._fonts = FontCache(limits.font_cache)
        self._filter = sys_.Filter(limits.seccomp)
        self._home = home
        self._readable = readable
        self._with_landlock = with_landlock

    def warm_up(self) -> None:
        self._fonts.offer(f"{self._home}/.matplotlib")

    def make_workspace(self) -> list[int]:
        path = tempfile.mkdtemp(dir=self._home, prefix="ws-")
        return [os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for _ in range(2)]

    def fork(self) -> int:
        return os.fork()

    def prepare(self) -> None:
        os.setsid()

    def enter(self, descriptor: int) -> int | None:
        workspace = os.readlink(f"/proc/self/fd/{descriptor}")
        os.close(descriptor)
        scratch = scratch_of(workspace)
        os.makedirs(scratch, mode=0o700, exist_ok=True)
        self._fonts.offer(f"{scratch}/.matplotlib")
        oom = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
        self._limits.apply()
        most = self._limits.workspace_bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        if self._with_landlock:
            sys_.promise_no_new_privileges()
            landlock.restrict(self._readable, (workspace, scratch, *_DEVICES))
        self._filter.install()
        sys_.set_dumpable(False)
        return oom


def scratch_of(workspace: str) -> str:
    """Return the directory for a run's temporary files; it is removed after the run."""
    return f"{workspace}.tmp"
