"""Processors and memory of this machine, or of the container that the service runs in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from librechat_code_interpreter.units import KiB

_CGROUPS = Path("/sys/fs/cgroup")
_MEMORY_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""Limit, usage, and the part of the usage that the kernel can reclaim: cgroup version 2, then 1."""


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def total_memory() -> int:
    """Return the memory of the machine or the container, whichever is less (bytes)."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *(limit for limit, _ in _container_memory())])


def available_memory() -> int:
    """Return the memory that programs can still take without swapping (bytes)."""
    left = [limit - used for limit, used in _container_memory()]
    with suppress(OSError, ValueError, KeyError):  # no /proc: not Linux
        left.append(int(_table("/proc/meminfo")["MemAvailable:"].split()[0]) * KiB)
    return min(left, default=total_memory())


def _container_memory() -> Iterator[tuple[int, int]]:
    """Yield limit and usage of each control group with a limit that this process is in (bytes)."""
    for directory in _own_groups():
        for limit_name, usage_name, droppable in _MEMORY_FILES:
            with suppress(OSError, ValueError, KeyError):  # absent, or "max": no limit
                limit = int((directory / limit_name).read_text())
                usage = int((directory / usage_name).read_text())
                yield limit, usage - int(_table(str(directory / "memory.stat"))[droppable])


def _own_groups() -> Iterator[Path]:
    """Yield the directories of our control group and its parents, for both versions."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, own = line.split(":", 2)
            if controllers in ("", "memory"):
                root = _CGROUPS / controllers
                group = root / own.lstrip("/")
                yield from (place for place in (group, *group.parents) if place.is_relative_to(root))


def _table(path: str) -> dict[str, str]:
    """Parse a kernel file with a name and a value on each line."""
    lines = Path(path).read_text().splitlines()
    return {name: value for name, _, value in (line.partition(" ") for line in lines)}
