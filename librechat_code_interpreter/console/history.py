"""Statistics of the last hour by the minute, and the last runs; the memory use is bounded."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from librechat_code_interpreter.core.events import Events, FinishedRun, Refused
from librechat_code_interpreter.core.run_timeline import PAUSED

MINUTES = 60
LAST_RUNS = 100

_MIN_SECONDS = 0.0005
_STEPS_PER_E = 20
"""Times are counted in steps of five per cent: at most about 270 counters, from half a millisecond to five minutes."""


@dataclass(slots=True)
class Minute:
    """Counts of one minute."""

    number: int
    """Minutes since the epoch."""

    times: Counter[int] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)


class Hour:
    """Counts events; each listener takes two microseconds."""

    def __init__(self, events: Events) -> None:
        self._minutes: deque[Minute] = deque(maxlen=MINUTES)
        self.last_runs: deque[FinishedRun] = deque(maxlen=LAST_RUNS)
        events.on(FinishedRun, self._finished)
        events.on(Refused, self._refused)

    def _finished(self, run: FinishedRun) -> None:
        if run.ending == PAUSED:
            return  # it is reported again when it ends
        self.last_runs.append(run)
        minute = self._minute(run.at)
        minute.times[_step_of(run.total_seconds)] += 1
        minute.endings[run.ending] += 1
        minute.languages[run.language] += 1

    def _refused(self, refusal: Refused) -> None:
        self._minute(refusal.at).refusals[refusal.reason] += 1

    def _minute(self, at: float) -> Minute:
        number = int(at // 60)
        if not self._minutes or self._minutes[-1].number < number:
            self._minutes.append(Minute(number))
        return self._minutes[-1]  # also after the clock was set back

    def minutes(self, now: float) -> list[Minute]:
        """Return the minutes of the last hour with at least one event, oldest first."""
        oldest = int(now // 60) - MINUTES + 1
        return [minute for minute in self._minutes if minute.number >= oldest]


def _step_of(seconds: float) -> int:
    return max(0, round(_STEPS_PER_E * math.log(max(seconds, _MIN_SECONDS) / _MIN_SECONDS)))


def quantile(share: float, minutes: Iterable[Minute]) -> float | None:
    """Return the time in seconds, to three per cent, that this share of runs did not exceed; ``None`` without runs."""
    times: Counter[int] = Counter()
    for minute in minutes:
        times.update(minute.times)
    rank = share * times.total()
    for step in sorted(times):
        rank -= times[step]
        if rank <= 0:
            return _MIN_SECONDS * math.exp(step / _STEPS_PER_E)
    return None
