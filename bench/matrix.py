"""Measure every contender at every case and level, in interleaved rounds, so that drift affects all alike."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator

from bench.crew import Member, Result, member, opening
from bench.measure import median
from bench.noise import Noise
from bench.plan import Level, Plan
from bench.service import Service

_BEGAN = time.monotonic()

Results = dict[tuple[str, int, str], Result]
"""By case, callers at once, contender."""


def measure(plan: Plan, service: Service, noise: Noise) -> Results:
    """Do the whole matrix, the single calls first: their times decide which contenders run at higher levels."""
    results: Results = {}
    for level in plan.levels:
        for case in plan.contenders:
            say(f"{case}, {level.at_once} at once")
            _square(plan, level, case, service, results, noise)
    return results


def say(text: str) -> None:
    """Print progress."""
    print(f"{time.monotonic() - _BEGAN:5.0f} s  {text}", file=sys.stderr, flush=True)


def _square(plan: Plan, level: Level, case: str, service: Service, results: Results, noise: Noise) -> None:
    with contextlib.ExitStack() as stack:
        members: dict[str, Member] = {}
        for name in plan.contenders[case]:
            result = results[(case, level.at_once, name)] = Result(cannot=_too_slow(results, case, level, name))
            if result.cannot is None:
                with _noting(result):
                    members[name] = _opened(stack.enter_context, name, case, level, service)
        take_turns(level, case, members, results, noise)


def _opened(
    enter: Callable[[contextlib.AbstractContextManager[Member]], Member],
    name: str, case: str, level: Level, service: Service,
) -> Member:  # fmt: skip
    worker = enter(member(name, service.place, service.account))
    answer = worker.tell("open", **opening(service.place, case, level.at_once))
    if "cannot" in answer:
        raise RuntimeError(answer["cannot"])
    worker.sample(Result(), level.at_once, level.cap_seconds)  # a warm-up that does not count
    return worker


@contextlib.contextmanager
def _noting(result: Result) -> Iterator[None]:
    """Report a contender that cannot run a case, or failed, as a line in the table."""
    try:
        yield
    except RuntimeError as error:
        result.cannot = str(error)


def take_turns(level: Level, case: str, members: dict[str, Member], results: Results, noise: Noise) -> None:
    """Run each contender in turn; the first one rotates from round to round."""
    names = [name for name in members if results[(case, level.at_once, name)].cannot is None]
    for number in range(level.rounds):
        noise.look()
        for name in names[number % len(names) :] + names[: number % len(names)]:
            result = results[(case, level.at_once, name)]
            with _noting(result):
                members[name].sample(result, level.calls, level.cap_seconds, weigh=number == level.rounds - 1)


def _too_slow(results: Results, case: str, level: Level, name: str) -> str | None:
    """Return why a contender skips a level: one wave of calls would take too long."""
    single = results.get((case, 1, name))
    if single is None or level.at_once == 1:
        return None
    if single.cannot:
        return single.cannot
    wave = median(single.sample.times) / 1000 * math.ceil(level.at_once / (os.cpu_count() or 1))
    if name != "service" and wave > level.patience_seconds:
        return f"not asked: one wave would take {wave:.0f} s"
    return None
