"""Tell whether a program can make no progress by itself: every thread of every process sleeps, at one same moment.

The threads cannot all be read at once. So each is read twice: one that slept both times and was not switched in
between slept all the while, and there is a moment between the two rounds that is in everybody's while.
"""

from __future__ import annotations

import os
import time

from app.runner import kill

_BUSY_SECONDS = 1.0
_LONGEST_SECONDS = 10.0

_Look = dict[str, tuple[str, str]]

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_AWAKE = frozenset("RDXW")


def is_asleep(root: int) -> bool:
    """Look at all descendants of a process. One that a timer will wake sleeps too; one that ended does not count."""
    first = _look(root)
    return first is not None and first == _look(root)


class Patience:
    """Wait for a program that keeps busy while calls of it wait, but not for ever: it may be waiting in a loop.

    What counts is its own processor time, so that no batch is torn because the machine is slow.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Be patient anew."""
        self._since = time.monotonic()
        self._used: float | None = None

    def is_over(self, root: int) -> bool:
        """Tell whether the descendants of a process have been busy for long enough."""
        used = cpu_seconds(root)
        if self._used is None:
            self._used = used
        return used - self._used >= _BUSY_SECONDS or time.monotonic() - self._since >= _LONGEST_SECONDS


def cpu_seconds(root: int) -> float:
    """Give the processor time that all descendants have used, and those that they have waited for."""
    return sum(map(_ticks, kill.descendants(root))) / _TICKS_PER_SECOND


def _ticks(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime


def _look(root: int) -> _Look | None:
    """Give each thread's state and how often it was switched; ``None`` as soon as one is awake."""
    found: _Look = {}
    for pid in kill.descendants(root):
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return None  # it ended just now: somebody may be waking up for it
        for thread in threads:
            try:
                with open(f"/proc/{pid}/task/{thread}/status", "rb") as file:
                    status = file.read()
            except OSError:
                return None
            state = _field(status, b"State:")[:1]
            if state in _AWAKE:
                return None
            if state != "Z":
                found[thread] = (state, _field(status, b"voluntary_ctxt_switches:"))
    return found


def _field(status: bytes, name: bytes) -> str:
    """Give a line's value; for the switches that is the rest of the file: both counts are at its end."""
    _, _, rest = status.partition(b"\n" + name)
    return rest.decode("ascii", "replace").strip()
