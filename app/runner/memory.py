"""Watch the memory of a program and its descendants, where no cgroup does."""

from __future__ import annotations

import os
from collections.abc import Callable

from app.runner import kill

_PAGE = os.sysconf("SC_PAGE_SIZE")


def is_over(limit: int) -> bool:
    """Tell whether the descendants of this process hold more than ``limit`` bytes.

    Summed resident size counts shared pages once for each process, so an excess is confirmed by the proportional size,
    which is dearer to read.
    """
    descendants = kill.descendants(os.getpid())
    return _sum(descendants, _resident) > limit and _sum(descendants, _proportional) > limit


def _sum(pids: list[int], size: Callable[[int], int]) -> int:
    return sum(size(pid) for pid in pids)


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as statm:
            return int(statm.read().split()[1]) * _PAGE
    except OSError:
        return 0


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as rollup:
            return sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith(b"Pss:"))
    except OSError:
        return _resident(pid)
