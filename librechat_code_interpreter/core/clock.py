"""A wall clock by which nothing expires early when it is set."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

LEAST_SECONDS = 60.0
"""Differences above this mean that the clock was set; smaller ones come from synchronisation or another machine."""


class Clock:
    """Compares the wall clock with the time since boot, which cannot be set.

    After a forward step everything seems older than it is. So for ``seconds`` after a step, ``ago`` counts with the
    older offset, and nothing expires early.
    """

    def __init__(self) -> None:
        self._offsets = [(running_seconds(), _offset())]
        """Pairs: when an offset was first seen (seconds since boot), and the offset (wall clock minus that time)."""

    def now(self) -> float:
        """Return the time (seconds since the epoch), and record a step of the clock."""
        offset = _offset()
        step = offset - self._offsets[-1][1]
        if abs(step) > LEAST_SECONDS:
            log.warning("the clock was set by %+.0f s; nothing expires by that", step)
            self._offsets.append((running_seconds(), offset))
        return running_seconds() + offset

    def ago(self, seconds: float) -> float:
        """Return the time (seconds since the epoch) before which a timestamp is older than ``seconds``.

        This holds even if the clock was set.
        """
        now, begin = self.now(), running_seconds() - seconds
        ends = [since for since, _ in self._offsets[1:]] + [float("inf")]
        least = min(offset for (_, offset), end in zip(self._offsets, ends, strict=True) if end > begin)
        return now - seconds - max(0.0, self._offsets[-1][1] - least)


def _offset() -> float:
    return time.time() - running_seconds()


def running_seconds() -> float:
    """Return the seconds since boot, suspended time included where the system reports it."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)
