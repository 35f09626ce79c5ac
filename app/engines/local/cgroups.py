"""Bound the memory and the processes of each jail by a control group of its own, where the machine lets us.

Where it can be had, the ``cpu`` controller shares processor time out by jail: a program with a hundred busy processes
gets what one with a single one gets (without it, a neighbour's 18 ms took 1.4 s beside a fork bomb).
Version 2 is tried first, then version 1, then none: then the runner watches memory itself and rlimits bound processes.
A group for each jail: making one costs 0.1 ms, and a group that is reused would go on paying for its last user's files.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_PREFIX: Final = "adapter-"
_ROOT: Final = Path("/sys/fs/cgroup")
_SHARES_OF_A_PROCESS: Final = 1024
"""The kernel's weight of an ordinary process; all jails together weigh as much as one such on each core."""


@dataclass(frozen=True, slots=True)
class Group:
    """Hold the control group of one jail: one directory in version 2, one for each controller in version 1."""

    directories: tuple[Path, ...]
    events: Path
    """The file whose ``oom_kill`` line counts kills."""

    def add(self, pid: int) -> None:
        """Put a process, and with it all its future children, into the group."""
        for directory in self.directories:
            (directory / "cgroup.procs").write_text(str(pid))

    def ran_out_of_memory(self) -> bool:
        """Tell whether the kernel killed something in the group for its memory."""
        try:
            lines = self.events.read_text().splitlines()
        except OSError:
            return False
        return any(name == "oom_kill" and count != "0" for name, _, count in (line.partition(" ") for line in lines))

    def kill_all_but(self, runner: int) -> None:
        """Kill every process of the group but one; by pidfd, so that none is met under the number of another."""
        for pid in self._members() - {runner}:
            with contextlib.suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                try:
                    if pid in self._members():
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                finally:
                    os.close(pidfd)

    def _members(self) -> set[int]:
        return {int(pid) for pid in (self.directories[0] / "cgroup.procs").read_text().split()}

    def remove(self) -> None:
        """Remove the group; one that still holds a dying process is left for ``Cgroups.close``."""
        for directory in self.directories:
            try:
                directory.rmdir()
            except OSError as error:
                log.debug("control group %s stays for now: %s", directory.name, error)


class Cgroups:
    """Make groups below a directory of this process's own."""

    def __init__(self, version: int, parents: tuple[Path, ...]) -> None:
        self.version = version
        self._parents = parents
        self._names = map(str, itertools.count(1))

    def make(self, memory_bytes: int, processes: int) -> Group:
        """Make a group with its limits set; threads may ask at once."""
        name = next(self._names)
        directories = tuple(parent / name for parent in self._parents)
        for directory in directories:
            directory.mkdir()
        memory, pids = directories[0], directories[-1]
        if self.version == 2:
            (memory / "memory.max").write_text(str(memory_bytes))
            _write_if_there(memory / "memory.swap.max", "0")
            _write_if_there(memory / "memory.oom.group", "0")
        else:
            (memory / "memory.limit_in_bytes").write_text(str(memory_bytes))
            _write_if_there(memory / "memory.memsw.limit_in_bytes", str(memory_bytes))
        # the runner is one process of the group, and a jail that waits is one
        (pids / "pids.max").write_text(str(processes + 2))
        return Group(directories, memory / ("memory.events" if self.version == 2 else "memory.oom_control"))

    def close(self) -> None:
        """Remove everything made; what is busy stays, empty groups cost nothing."""
        for parent in self._parents:
            _remove_tree(parent)


def open_cgroups() -> Cgroups | None:
    """Give the groups of this machine, or ``None`` where neither version can be written."""
    for version, attempt in ((2, _version_2), (1, _version_1)):
        try:
            parents = attempt()
        except OSError as error:
            log.debug("control groups version %d: %s", version, error)
            continue
        if parents:
            return Cgroups(version, parents)
    return None


def _own_name() -> str:
    """Name our directory: the process for who looks, and something random, for a container's process is always 1."""
    return f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


def _remove_stale(parent: Path) -> None:
    """Remove what services that were killed left behind."""
    for left in parent.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            _remove_tree(left)


def _remove_tree(directory: Path) -> None:
    for path in (*(path for path in directory.glob("*") if path.is_dir()), directory):
        try:
            path.rmdir()
        except OSError as error:
            log.debug("control group %s stays: %s", path, error)


def _version_1() -> tuple[Path, ...] | None:
    name = _own_name()
    controllers = ("memory", "cpu", "pids") if os.access(_ROOT / "cpu", os.W_OK) else ("memory", "pids")
    parents = tuple(_ROOT / controller / name for controller in controllers)
    if not all((parent.parent / "cgroup.procs").exists() for parent in parents):
        return None
    for parent in parents:
        _remove_stale(parent.parent)
        parent.mkdir()
        _write_if_there(parent / "cpu.shares", str(_SHARES_OF_A_PROCESS * (os.cpu_count() or 1)))
    return parents


def _version_2() -> tuple[Path, ...] | None:
    """Use our own group of the unified hierarchy, if it may be divided; the service moves into a leaf of it."""
    own = next(
        (line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), None
    )
    if own is None or not (_ROOT / "cgroup.controllers").exists():
        return None
    home = _ROOT / own.strip("/")
    offered = (home / "cgroup.controllers").read_text().split()
    if not {"memory", "pids"} <= set(offered):
        return None
    wanted = " ".join(f"+{controller}" for controller in ("memory", "pids", "cpu") if controller in offered)
    leaf = home / "service"
    leaf.mkdir(exist_ok=True)
    for pid in (home / "cgroup.procs").read_text().split():
        (leaf / "cgroup.procs").write_text(pid)
    (home / "cgroup.subtree_control").write_text(wanted)
    _remove_stale(home)
    parent = home / _own_name()
    parent.mkdir()
    (parent / "cgroup.subtree_control").write_text(wanted)
    return (parent,)


def _write_if_there(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        log.debug("%s: %s", path.name, error)
