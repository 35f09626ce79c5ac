"""Quiescence detection: every thread of every process of a program sleeps at one instant.

Such a program can make no progress by itself. The threads cannot all be read at once, so each is read twice. A thread
that slept both times, without a context switch in between, slept throughout. So all of them slept at the instant
between the two rounds.
"""

from __future__ import annotations

import os
import time

from librechat_code_interpreter.runner import kill

_BUSY_SECONDS = 1.0
_LONGEST_SECONDS = 10.0

_Look = dict[str, tuple[str, str]]

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_AWAKE = frozenset("RDXW")


def is_asleep(root: int) -> bool:
    """Return whether all descendants of ``root`` sleep; a timer wait counts as sleep, ended ones are ignored."""
    first = _look(root)
    return first is not None and first == _look(root)


class Patience:
    """Limit on waiting for a program that stays busy while its calls are pending: it may be waiting in a loop.

    The limit is ``_BUSY_SECONDS`` of the program's own CPU time, so that a slow machine does not split a batch. After
    ``_LONGEST_SECONDS`` the wait is over in any case.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start a new wait."""
        self._since = time.monotonic()
        self._used: float | None = None

    def is_over(self, root: int) -> bool:
        """Return whether a limit is reached; CPU time of the descendants of ``root`` counts from the first check."""
        used = cpu_seconds(root)
        if self._used is None:
            self._used = used
        return used - self._used >= _BUSY_SECONDS or time.monotonic() - self._since >= _LONGEST_SECONDS


def cpu_seconds(root: int) -> float:
    """Return the CPU time used by all descendants, and by their own children that they have reaped."""
    return sum(map(_ticks, kill.descendants(root))) / _TICKS_PER_SECOND


def _ticks(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime


def _look(root: int) -> _Look | None:
    """Return each thread's state and context switch counts; ``None`` as soon as one is awake or ends."""
    found: _Look = {}
    for pid in kill.descendants(root):
        try:
            threads = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return None  # it has just ended: another process may be waking up because of it
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
    """Return a line's value; for context switches, the rest of the file, since both counts are at its end."""
    _, _, rest = status.partition(b"\n" + name)
    return rest.decode("ascii", "replace").strip()
