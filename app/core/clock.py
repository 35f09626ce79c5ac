"""Tell how old things are whose time is on the clock, although the clock may be set."""

from __future__ import annotations

import logging
import time

log = logging.getLogger(__name__)

LEAST_SECONDS = 60.0
"""What counts as set; less than that is a clock that is kept right, or another machine's."""


class Clock:
    """Compare the clock with the time since the machine started, which nobody can set.

    Of a clock that was set forward everything seems older than it is. So for a while nothing is: until what is not used
    has been seen for its whole time on the new clock.
    """

    def __init__(self) -> None:
        self._offsets = [(running_seconds(), _offset())]
        """Since when (seconds since the start of the machine) the clock was so far ahead of that."""

    def now(self) -> float:
        """Give the time (seconds since the epoch), and notice when the clock was set."""
        offset = _offset()
        step = offset - self._offsets[-1][1]
        if abs(step) > LEAST_SECONDS:
            log.warning("the clock was set by %+.0f s; nothing expires by that", step)
            self._offsets.append((running_seconds(), offset))
        return running_seconds() + offset

    def ago(self, seconds: float) -> float:
        """Give the time (seconds since the epoch) before which something is older than so long, however it was set."""
        now, begin = self.now(), running_seconds() - seconds
        ends = [since for since, _ in self._offsets[1:]] + [float("inf")]
        least = min(offset for (_, offset), end in zip(self._offsets, ends, strict=True) if end > begin)
        return now - seconds - max(0.0, self._offsets[-1][1] - least)


def _offset() -> float:
    return time.time() - running_seconds()


def running_seconds() -> float:
    """Give the seconds since the machine started, those that it slept included where that is known."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)
