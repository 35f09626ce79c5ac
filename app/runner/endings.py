"""Say how a run ended. An ending is a value, never an exception."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """Name the ways a run can end; each member's rule is written beside it.

    When several apply, the first cause wins: what the runner did first decides.
    """

    OK = "ok"
    """The program's first process exited with code 0."""

    EXIT = "exit"
    """It exited with another code, or its compiler did."""

    SIGNAL = "signal"
    """A signal that neither the runner nor the memory limit sent killed it (a segmentation fault, say)."""

    TIME = "time"
    """The wall clock limit passed, or the CPU limit (SIGXCPU); the output so far is kept."""

    MEMORY = "memory"
    """The memory limit killed it; the output so far is kept where the runner survived."""

    OUTPUT = "output"
    """stdout or stderr went over its cap; what fits under the cap is kept."""

    CANCELLED = "cancelled"
    """The caller went away or asked for it, and nobody reads the answer; or the service was stopped, which it tells."""

    LOST = "lost"
    """The sandbox died while the program ran. It may have had effects, so it is never run again."""


UNCOLLECTED = frozenset({Ending.CANCELLED, Ending.LOST})
"""After these, files may lie in the sandbox that nobody collected."""
