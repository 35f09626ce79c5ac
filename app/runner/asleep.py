"""Tell whether a program can make no progress by itself: every thread of every process sleeps, at one same moment.

The threads cannot all be read at once. So each is read twice: one that slept both times and was not switched in
between slept all the while, and there is a moment between the two rounds that is in everybody's while.
"""

from __future__ import annotations

import os

from app.runner import reap

_Look = dict[str, tuple[str, str]]

_AWAKE = frozenset("RDXW")


def is_asleep(root: int) -> bool:
    """Look at all descendants of a process. One that a timer will wake sleeps too; one that ended does not count."""
    first = _look(root)
    return first is not None and first == _look(root)


def _look(root: int) -> _Look | None:
    """Give each thread's state and how often it was switched; ``None`` as soon as one is awake."""
    found: _Look = {}
    for pid in reap.descendants(root):
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
