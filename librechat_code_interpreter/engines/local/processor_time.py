"""Processor time of process trees, from ``/proc``: it needs no control groups and no privileges."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PARENT, _TIMES = 1, slice(11, 15)
"""Fields of ``/proc/<pid>/stat`` after the name: the parent; own and awaited children's user and system time."""


def processor_seconds(roots: Collection[int]) -> dict[int, float]:
    """Return the processor time that each process and its descendants have used, for each root that is alive."""
    ticks, children = {}, dict[int, list[int]]()
    for pid, parent, used in _processes():
        ticks[pid] = used
        children.setdefault(parent, []).append(pid)
    return {root: _tree_ticks(root, ticks, children) / _TICKS_PER_SECOND for root in roots if root in ticks}


def _tree_ticks(root: int, ticks: dict[int, int], children: dict[int, list[int]]) -> int:
    total, pending = 0, [root]
    while pending:
        pid = pending.pop()
        total += ticks[pid]
        pending += children.get(pid, ())
    return total


def _processes() -> Iterator[tuple[int, int, int]]:
    """Yield pid, parent and ticks of every process."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            yield int(name), int(fields[_PARENT]), sum(map(int, fields[_TIMES]))
