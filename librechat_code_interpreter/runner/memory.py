"""Memory use of a program and its descendants, for limits that no cgroup enforces."""

from __future__ import annotations

import os
from collections.abc import Callable

from librechat_code_interpreter.runner import kill

_PAGE = os.sysconf("SC_PAGE_SIZE")


def is_over(limit: int) -> bool:
    """Return whether the descendants of this process use more than ``limit`` bytes.

    Summed resident size counts shared pages once for each process. So an excess is confirmed by the proportional size,
    which costs more to read.
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
