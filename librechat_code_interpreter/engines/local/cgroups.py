"""Control groups that limit the memory and the processes of each jail, where the machine allows it.

Where it is available, the ``cpu`` controller shares processor time by jail. A program with a hundred busy processes
gets as much as one with a single process. Without it, a neighbour's 18 ms took 1.4 s beside a fork bomb.

Version 2 is tried first, then version 1. With neither, the runner watches memory itself and rlimits bound processes.

Each jail has a group. Making, filling and removing one costs half a millisecond of processor time, so a clean one is
reused. Clean means that nothing ran out of memory in it and that almost no memory is charged to it. A workspace's files
are charged to the run that wrote them, for as long as they exist.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import secrets
import signal
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from librechat_code_interpreter.units import MiB

log = logging.getLogger(__name__)

_PREFIX: Final = "adapter-"
_ROOT: Final = Path("/sys/fs/cgroup")
_LIKE_NEW_BYTES: Final = MiB
"""Memory that may still be charged to a clean group, a 1,024th of the default limit: the kernel's own leftovers."""

MOST_IDLE: Final = 32
"""How many groups may wait for reuse."""

_SHARES_OF_A_PROCESS: Final = 1024
"""The kernel's weight of an ordinary process. All jails together weigh as much as one such process on each core."""


@dataclass(frozen=True, slots=True)
class Group:
    """Control group of one jail: one directory in version 2, one for each controller in version 1."""

    directories: tuple[str, ...]
    events: str
    """The file whose ``oom_kill`` line counts kills."""

    usage: str
    """The file with the memory charged to the group (bytes)."""

    bounds: tuple[int, int]
    """Limits of memory (bytes) and of processes."""

    owner: Cgroups = field(repr=False, compare=False)

    def add(self, pid: int) -> None:
        """Move a process, and with it all its future children, into the group."""
        for directory in self.directories:
            _write(f"{directory}/cgroup.procs", str(pid))

    def ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed a process of the group for its memory."""
        try:
            lines = _read(self.events).splitlines()
        except OSError:
            return False
        return any(name == "oom_kill" and count != "0" for name, _, count in (line.partition(" ") for line in lines))

    def kill_all_but(self, runner: int) -> None:
        """Kill every process of the group but one. The pidfd prevents killing another process under a reused id."""
        for pid in self._members() - {runner}:
            with contextlib.suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                try:
                    if pid in self._members():
                        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                finally:
                    os.close(pidfd)

    def _members(self) -> set[int]:
        return {int(pid) for pid in _read(f"{self.directories[0]}/cgroup.procs").split()}

    def release(self) -> None:
        """Return the group for reuse by another jail if it is clean, else remove it."""
        self.owner.take_back(self)

    def is_like_new(self) -> bool:
        """Return whether the group is clean: nothing is left of its last jail."""
        try:
            if self._members() or int(_read(self.usage)) > _LIKE_NEW_BYTES:
                return False
        except (OSError, ValueError):
            return False
        return not self.ran_out_of_memory()

    def remove(self) -> None:
        """Remove the group. One that still has a dying process is left for ``Cgroups.close``."""
        for directory in self.directories:
            try:
                os.rmdir(directory)
            except OSError as error:
                log.debug("control group %s stays for now: %s", directory, error)


class Cgroups:
    """Control groups below a directory of this process's own. Safe for concurrent threads."""

    def __init__(self, version: int, parents: tuple[Path, ...]) -> None:
        self.version = version
        self._parents = parents
        self._names = map(str, itertools.count(1))
        self._idle: deque[Group] = deque()

    def make(self, memory_bytes: int, processes: int) -> Group:
        """Return a group with its limits set, a reused one if possible."""
        try:
            group = self._idle.pop()
        except IndexError:
            return self._made((memory_bytes, processes))
        if group.bounds == (memory_bytes, processes):
            return group
        group.remove()
        return self._made((memory_bytes, processes))

    def _made(self, bounds: tuple[int, int]) -> Group:
        name, (memory_bytes, processes) = next(self._names), bounds
        directories = tuple(f"{parent}/{name}" for parent in self._parents)
        for directory in directories:
            os.mkdir(directory)
        memory, pids = directories[0], directories[-1]
        if self.version == 2:
            events, usage = f"{memory}/memory.events", f"{memory}/memory.current"
            _write(f"{memory}/memory.max", str(memory_bytes))
            _write_if_there(f"{memory}/memory.swap.max", "0")
            _write_if_there(f"{memory}/memory.oom.group", "0")
        else:
            events, usage = f"{memory}/memory.oom_control", f"{memory}/memory.usage_in_bytes"
            _write(f"{memory}/memory.limit_in_bytes", str(memory_bytes))
            _write_if_there(f"{memory}/memory.memsw.limit_in_bytes", str(memory_bytes))
        # the runner is one process of the group, and so is a waiting jail
        _write(f"{pids}/pids.max", str(processes + 2))
        return Group(directories, events, usage, bounds, self)

    def take_back(self, group: Group) -> None:
        """Keep an ended jail's group for reuse if it is clean and fewer than ``MOST_IDLE`` wait, else remove it."""
        if len(self._idle) < MOST_IDLE and group.is_like_new():
            self._idle.append(group)
        else:
            group.remove()

    def count_held(self) -> int:
        """Return the number of groups (directories) that are not waiting for reuse."""
        idle = sum(len(group.directories) for group in self._idle)
        return sum(path.is_dir() for parent in self._parents for path in parent.glob("*")) - idle

    def close(self) -> None:
        """Remove all groups. Busy ones stay; once empty, they cost nothing."""
        for parent in self._parents:
            _remove_tree(parent)


def in_use(groups: Iterable[Path]) -> int:
    """Count one controller's groups that have processes, and the empty ones beyond ``MOST_IDLE``."""
    members = []
    for group in groups:
        with contextlib.suppress(OSError):  # removed meanwhile
            members.append(_read(f"{group}/cgroup.procs"))
    used = sum(map(bool, members))
    return used + max(0, len(members) - used - MOST_IDLE)


def open_cgroups() -> Cgroups | None:
    """Return the control groups of this machine, or ``None`` where neither version is writable."""
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
    """Return the name of our directory: the process id, for operators, and a random part.

    The random part is needed because in a container the process id is always 1.
    """
    return f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"


def _remove_stale(parent: Path) -> None:
    """Remove the groups that killed services left behind."""
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
        _write_if_there(f"{parent}/cpu.shares", str(_SHARES_OF_A_PROCESS * (os.cpu_count() or 1)))
    return parents


def _version_2() -> tuple[Path, ...] | None:
    """Create a directory in our own group of the unified hierarchy, if that may be divided.

    The service moves into a leaf of that group.
    """
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


def _write_if_there(path: str, text: str) -> None:
    try:
        _write(path, text)
    except OSError as error:
        log.debug("%s: %s", path, error)


def _write(path: str, text: str) -> None:
    """Write a kernel file. Raises ``OSError``."""
    with open(path, "wb", buffering=0) as file:
        file.write(text.encode())


def _read(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return file.read().decode()
