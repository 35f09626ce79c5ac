"""Properties of this process that the standard library has no function for."""

from __future__ import annotations

import ctypes
from _signal import SIG_DFL as DEFAULT  # type: ignore[import-not-found]  # typeshed does not know it
from _signal import SIG_IGN as IGNORED
from _signal import signal as set_handler

__all__ = ["DEFAULT", "IGNORED", "adopt_orphans", "set_dumpable", "set_handler"]
"""``set_handler`` is ``signal.signal`` without the wrapper in ``signal``, which costs 30 copied pages in a fork."""

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def set_dumpable(dumpable: bool) -> None:
    """Set whether other processes of the same uid may inspect this process through ``/proc``.

    The program must not inspect the runner, but must be able to inspect itself (its own ``/proc/self/fd``).
    """
    _libc.prctl(_PR_SET_DUMPABLE, int(dumpable), 0, 0, 0)


def adopt_orphans(*, adopt: bool = True) -> None:
    """Become the parent of every descendant whose own parent ends, or stop doing so."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)
