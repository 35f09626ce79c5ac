"""Count what a service holds of the machine, and what it left there when it was killed."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from app.attack.own_service import descendants

_HIERARCHIES = ("memory", "pids", "cpu", "unified", "")


@dataclass(frozen=True, slots=True)
class Holdings:
    """Count by kind; two services that do nothing hold the same."""

    processes: int
    descriptors: int
    groups: int
    mounts: int
    temporary: int
    """Entries of its directory for temporary files."""

    def excess(self, usual: Holdings) -> list[str]:
        """Name what there is more of than usual."""
        before = asdict(usual)
        return [f"{now - before[name]} more {name}" for name, now in asdict(self).items() if now > before[name]]


def held_by(pid: int, temporary: Path) -> Holdings:
    """Look at a process and what it started."""
    return Holdings(
        processes=len(descendants(pid)),
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        groups=sum(len(list(group.glob("*/"))) for group in groups_of(pid)),
        mounts=sum(str(temporary) in line for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()),
        temporary=len(os.listdir(temporary)),
    )


def groups_of(pid: int | str = "*") -> list[Path]:
    """Find the control groups that a service has made; they bear its process id."""
    root = Path("/sys/fs/cgroup")
    return [path for name in _HIERARCHIES for path in (root / name).glob(f"adapter-{pid}-*")]


def resident_bytes(pid: int) -> int:
    """Give the memory of a process that is its own."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def stored(store: Path) -> set[str]:
    """Name every file in a directory store."""
    return {os.path.relpath(os.path.join(place, name), store) for place, _, names in os.walk(store) for name in names}
