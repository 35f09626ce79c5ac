"""Count a service's resources on the machine, and what it left there when it was killed."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from attack.own_service import descendants
from librechat_code_interpreter.engines.local.cgroups import in_use

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


def held_by(pid: int, temporary: Path, pool_port: int | None = None) -> Holdings:
    """Sample a process and its children, without connections to ``pool_port``: a pool opens those at will."""
    pooled = _connections(pid, pool_port) if pool_port is not None else set()
    return Holdings(
        processes=len(descendants(pid)),
        descriptors=sum(target not in pooled for target in _descriptors(pid)),
        groups=sum(in_use(parent.glob("*/")) for parent in groups_of(pid)),
        mounts=sum(str(temporary) in line for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()),
        temporary=len(os.listdir(temporary)),
    )


def _descriptors(pid: int) -> list[str]:
    """Describe each open descriptor; one that is closed meanwhile does not count."""
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(entry))
    return found


def _connections(pid: int, port: int) -> set[str]:
    """Name the sockets that are connected to a port, as ``_descriptors`` does; columns as in proc_net_tcp(5)."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if int(row[2].rpartition(":")[2], 16) == port}


def groups_of(pid: int | str = "*") -> list[Path]:
    """Find the control groups that a service has made; they bear its process id."""
    root = Path("/sys/fs/cgroup")
    return [path for name in _HIERARCHIES for path in (root / name).glob(f"adapter-{pid}-*")]


def resident_bytes(pid: int) -> int:
    """Return the memory of a process that is its own."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


def stored(store: Path) -> set[str]:
    """Name every file in a directory store."""
    return {os.path.relpath(os.path.join(place, name), store) for place, _, names in os.walk(store) for name in names}
