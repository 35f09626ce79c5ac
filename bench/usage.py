"""Account for what a process and all its children use: in a control group where one can be had, else by the machine."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_TICKS = os.sysconf("SC_CLK_TCK")
KiB = 1024


@dataclass(frozen=True, slots=True)
class Account:
    """A group's directory, or none: then processor time is the whole machine's, and it is said so."""

    directory: Path | None

    @property
    def how(self) -> str:
        """Return where the figures come from."""
        return "control group" if self.directory else "whole machine"

    def into(self, command: list[str]) -> list[str]:
        """Write a command that joins the group before it begins."""
        if self.directory is None:
            return command
        return ["sh", "-c", f'echo $$ > "{self.directory}/cgroup.procs" && exec "$@"', "sh", *command]

    def cpu_seconds(self) -> float:
        """Return the processor time used so far, user and system, of processes that ended too."""
        if self.directory is None:
            return busy_seconds()
        nanoseconds = self.directory / "cpuacct.usage"
        if nanoseconds.exists():
            return int(nanoseconds.read_text()) / 1e9
        words = dict(line.split() for line in (self.directory / "cpu.stat").read_text().splitlines())
        return int(words["usage_usec"]) / 1e6

    def processes(self) -> list[int]:
        """List the processes of the group and of the groups in it."""
        if self.directory is None:
            return []
        texts = [path.read_text() for path in self.directory.rglob("cgroup.procs")]
        return [int(pid) for text in texts for pid in text.split()]

    def memory_bytes(self) -> int:
        """Add up what the processes hold, shared pages divided among those that share them (PSS)."""
        return sum(pss_bytes(pid) for pid in self.processes())


@contextmanager
def account(name: str) -> Iterator[Account]:
    """Make a group, and remove it when its processes are gone."""
    directory = _make(f"bench-{os.getpid()}-{name}")
    try:
        yield Account(directory)
    finally:
        if directory is not None:
            _remove(directory)


def _make(name: str) -> Path | None:
    for parent in (_ROOT / "cpuacct", _ROOT):
        directory = parent / name
        try:
            directory.mkdir()
        except OSError:
            continue
        if (directory / "cpuacct.usage").exists() or (directory / "cpu.stat").exists():
            return directory
        directory.rmdir()
    return None


def _remove(directory: Path) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError):
            directory.rmdir()
            return
        time.sleep(0.02)


def pss_bytes(pid: int) -> int:
    """Return one process's share of memory; 0 when it is gone or not ours to look at."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(match.group(1)) * KiB if match else 0


def _cpu_line() -> list[int]:
    return [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]


def busy_seconds() -> float:
    """Return the time that the machine's processors have been busy with anything."""
    ticks = _cpu_line()
    return (sum(ticks[:3]) + sum(ticks[5:8])) / _TICKS


def steal_seconds() -> float:
    """Return the time that the host took away from this machine's processors."""
    return _cpu_line()[7] / _TICKS


def kernel_bytes() -> int:
    """Return what the kernel itself holds: slabs, stacks, page tables, per-processor data, and tmpfs pages."""
    wanted = {"Slab", "KernelStack", "PageTables", "Percpu", "Shmem"}
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(words[1]) * KiB for words in lines if words[0].rstrip(":") in wanted)
