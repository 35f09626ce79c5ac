"""Resource limits of one run."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class JailLimits:
    """Limits of a run, sizes in bytes, and its seccomp filter."""

    tmp_bytes: int
    shm_bytes: int
    workspace_bytes: int
    workspace_files: int
    processes: int
    open_files: int
    seccomp: bytes
    font_cache: str | None
    has_proxy: bool = False
    """Whether a program has a proxy on its loopback."""

    def apply(self) -> None:
        """Set this process's resource limits permanently."""
        for kind, most in (
            (resource.RLIMIT_NPROC, self.processes),
            (resource.RLIMIT_NOFILE, self.open_files),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
            (resource.RLIMIT_MEMLOCK, 65536),
        ):
            resource.setrlimit(kind, (most, most))


class FontCache:
    """Links to the ready-made matplotlib font cache, for writable directories (building it costs 0.8 s)."""

    def __init__(self, ready_made: str | None) -> None:
        """List the cache's files once: listing them in each jail would cost 0.4 ms."""
        found = Path(ready_made).glob("fontlist-*.json") if ready_made is not None else ()
        self._files = [(str(path), path.name) for path in found]

    def offer(self, directory: str) -> None:
        """Create the directory with links to the files; do nothing if there are none."""
        if self._files:
            os.mkdir(directory)
        for path, name in self._files:
            os.symlink(path, f"{directory}/{name}")
