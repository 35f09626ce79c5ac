"""Change properties of this process that Python has no name for."""

from __future__ import annotations

import ctypes
from _signal import SIG_DFL as DEFAULT  # type: ignore[import-not-found]  # typeshed does not know it
from _signal import signal as set_handler

__all__ = ["DEFAULT", "adopt_orphans", "set_dumpable", "set_handler"]
"""``set_handler`` is ``signal.signal`` without what ``signal`` wraps around it: 30 pages to copy in a fork."""

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def set_dumpable(dumpable: bool) -> None:
    """Say whether others of the same uid may look into this process through ``/proc``.

    The runner must be closed to the program; the program must be open to itself (its own ``/proc/self/fd``).
    """
    _libc.prctl(_PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def adopt_orphans(*, adopt: bool = True) -> None:
    """Become the parent of every descendant whose own parent ends, or stop doing so."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)
