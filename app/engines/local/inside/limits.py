"""Bound what one run may take."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class JailLimits:
    """Hold the bounds, sizes in bytes, and the seccomp filter."""

    tmp_bytes: int
    shm_bytes: int
    workspace_bytes: int
    workspace_files: int
    processes: int
    open_files: int
    seccomp: bytes
    font_cache: str | None
    has_proxy: bool = False
    """Whether a program finds a proxy on its loopback."""

    def apply(self) -> None:
        """Set this process's resource limits, for good."""
        for kind, most in (
            (resource.RLIMIT_NPROC, self.processes),
            (resource.RLIMIT_NOFILE, self.open_files),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_MSGQUEUE, 0),
            (resource.RLIMIT_MEMLOCK, 65536),
        ):
            resource.setrlimit(kind, (most, most))


def offer_font_cache(ready_made: str | None, directory: str) -> None:
    """Link the ready-made matplotlib font cache into a writable directory (building it costs 0.8 s)."""
    if ready_made is None:
        return
    os.makedirs(directory, exist_ok=True)
    for cache in Path(ready_made).glob("fontlist-*.json"):
        os.symlink(cache, f"{directory}/{cache.name}")
