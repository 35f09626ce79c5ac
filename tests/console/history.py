"""A made-up hour of a service's life, for screenshots."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator

from librechat_code_interpreter.core.events import FinishedRun, Seconds
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.principal import Principal

_SHARES = {"py": 0.68, "bash": 0.12, "js": 0.09, "ts": 0.05, "r": 0.04, "cpp": 0.02}
_MEDIAN_SECONDS = {"py": 0.09, "bash": 0.02, "js": 0.04, "ts": 0.05, "r": 0.4, "cpp": 0.7}
_ENDINGS = {"ok": 0.86, "exit": 0.1, "time": 0.012, "memory": 0.008, "signal": 0.01, "cancelled": 0.01}


def an_hour(seed: int = 7) -> Iterator[FinishedRun]:
    """Yield the runs of the hour until two minutes ago, in their order."""
    chance = random.Random(seed)
    now = time.time()
    for minute in range(60, 1, -1):
        wave = 6 + 4 * math.sin(minute / 9) + (5 if 18 < minute < 25 else 0)
        moments = sorted(chance.uniform(0, 50) for _ in range(round(chance.gauss(wave, 1.6))))
        yield from (a_run(chance, now - 60 * minute + moment) for moment in moments)


def a_run(chance: random.Random, at: float) -> FinishedRun:
    """Return one run of a typical length."""
    language = chance.choices(list(_SHARES), list(_SHARES.values()))[0]
    ending = chance.choices(list(_ENDINGS), list(_ENDINGS.values()))[0]
    program = 60.0 if ending == "time" else _MEDIAN_SECONDS[language] * chance.lognormvariate(0, 0.7)
    is_new = chance.random() < 0.3
    steps = Seconds(0.0004, 0.0002, 0.004 if is_new else 0.0003, 0.0, program, chance.choice([0.0, 0.004]), 0.001)
    return FinishedRun(
        at, "", new_id(), Principal("key"), new_id(), language, ending, 1 if ending == "exit" else 0, sum(steps),
        steps, program * 0.7, chance.randrange(18, 140) << 20, 400, 0, 0, 200, chance.choice([0, 0, 1]), 0, 0, 0,
        "new" if is_new else "kept", not is_new,
    )  # fmt: skip
