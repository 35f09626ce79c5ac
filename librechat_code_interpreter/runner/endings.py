"""Endings of a run. An ending is a value, never an exception."""

from __future__ import annotations

from enum import StrEnum


class Ending(StrEnum):
    """Ways in which a run can end; the rule of each member is written below it.

    If several apply, the first cause wins: the first action of the runner decides.
    """

    OK = "ok"
    """The program's first process exited with code 0."""

    EXIT = "exit"
    """It exited with another code, or its compiler did."""

    SIGNAL = "signal"
    """It was killed by a signal that neither the runner nor the memory limit sent (such as a segmentation fault)."""

    TIME = "time"
    """It exceeded the wall clock limit or the CPU limit (SIGXCPU); the output so far is kept."""

    MEMORY = "memory"
    """It was killed at the memory limit; the output so far is kept if the runner survived."""

    OUTPUT = "output"
    """stdout or stderr exceeded its cap; the output up to the cap is kept."""

    CANCELLED = "cancelled"
    """The caller disconnected or cancelled, or a pause exceeded its limit; no client waits for the answer.

    Or the service was stopped; then the answer reports that.
    """

    LOST = "lost"
    """The sandbox died while the program ran. It may have had effects, so it is never run again."""


UNCOLLECTED = frozenset({Ending.CANCELLED, Ending.LOST})
"""After these endings, the sandbox may contain files that were not collected."""
