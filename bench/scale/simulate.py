"""Simulate a deployment run by run: users, replicas that share nothing but Redis, places to run, sandboxes that idle.

A model without queues says what is used on average; this says what a user waits for when chance has its way.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from bench.measure import median, percentile
from bench.scale.model import Limits, Users

_REFUSED_AFTER_SECONDS = 30.0
"""``QUEUE_WAIT_SECONDS``: then a client receives 429."""


@dataclass(frozen=True, slots=True)
class Times:
    """Service times in seconds."""

    service: float
    """A replica's own processor time for a run; it has one thread of Python."""

    redis: float
    """Redis's own time for all steps of a run; it has one thread."""

    call: float
    """The way to Daytona and back, and the runner's start."""

    creation: float
    """A new sandbox where no spare is ready."""


@dataclass(slots=True)
class Seen:
    """What happened after the warm-up."""

    over: list[float] = field(default_factory=list)
    """Seconds of each run beyond the program's own, the call's and the processor's: waiting."""

    refused: int = 0
    created: int = 0
    evicted: int = 0
    most_sandboxes: int = 0

    def summary(self) -> dict[str, float]:
        """Return the figures of the table."""
        runs = len(self.over)
        return {
            "runs": runs,
            "wait_p50_ms": 1000 * median(self.over) if runs else 0.0,
            "wait_p99_ms": 1000 * percentile(self.over, 0.99) if runs else 0.0,
            "refused_share": self.refused / (runs + self.refused) if runs + self.refused else 0.0,
            "created_per_run": self.created / runs if runs else 0.0,
            "evicted": self.evicted,
            "most_sandboxes": self.most_sandboxes,
        }


class Simulation:
    """Let users work for a time. Chance is seeded: the same arguments give the same figures."""

    def __init__(self, users: Users, limits: Limits, times: Times, seed: int = 42) -> None:
        self._users = users
        self._limits = limits
        self._times = times
        self._chance = random.Random(seed)  # noqa: S311  nothing here is a secret
        self._env = simpy.Environment()
        self._redis = simpy.Resource(self._env, 1)
        self._processors = [simpy.Resource(self._env, 1) for _ in range(limits.replicas)]
        self._places = [simpy.Resource(self._env, limits.runs_at_once) for _ in range(limits.replicas)]
        self._sandboxes: OrderedDict[int, float] = OrderedDict()
        self._turn = self._conversations = 0
        self._counts = False
        self.seen = Seen()

    def run(self, seconds: float, warm_up: float) -> dict[str, float]:
        """Simulate this many seconds after a warm-up; return what was observed in them."""
        for _ in range(self._users.count):
            self._env.process(self._work())
        self._env.run(until=warm_up)
        self._counts, self.seen = True, Seen()
        self._env.run(until=warm_up + seconds)
        return self.seen.summary()

    def _pause(self, mean: float) -> simpy.Timeout:
        return self._env.timeout(self._chance.expovariate(1 / mean))

    def _work(self) -> Generator[Any, Any, None]:
        users = self._users
        yield self._pause(users.conversation_seconds)
        while True:
            self._conversations += 1
            conversation = self._conversations
            for _ in range(max(1, round(self._chance.expovariate(1 / users.runs_per_conversation)))):
                yield from self._run(conversation)
                yield self._pause(users.seconds_between_runs)
            yield self._pause(users.seconds_between_conversations)

    def _run(self, conversation: int) -> Generator[Any, Any, None]:
        times, began = self._times, self._env.now
        self._turn += 1
        replica = self._turn % self._limits.replicas
        with self._places[replica].request() as place:
            got = yield place | self._env.timeout(_REFUSED_AFTER_SECONDS)
            if place not in got:
                self.seen.refused += self._counts
                return
            yield from self._use(self._processors[replica], times.service)
            yield from self._use(self._redis, times.redis)
            own = times.service + times.redis + times.call
            if self._take_sandbox(conversation):
                yield self._env.timeout(times.creation)
                own += times.creation
            program = self._chance.expovariate(1 / self._users.program_seconds)
            yield self._env.timeout(times.call + program)
        if self._counts:
            self.seen.over.append(max(0.0, self._env.now - began - own - program))

    def _use(self, part: simpy.Resource, seconds: float) -> Generator[Any, Any, None]:
        with part.request() as turn:
            yield turn
            yield self._env.timeout(seconds)

    def _take_sandbox(self, conversation: int) -> bool:
        """Use the conversation's sandbox; return whether it is new. At the limit the longest idle one is evicted."""
        now, oldest = self._env.now, self._env.now - self._limits.idle_seconds
        while self._sandboxes and next(iter(self._sandboxes.values())) < oldest:
            self._sandboxes.popitem(last=False)
        is_new = self._sandboxes.pop(conversation, None) is None
        if len(self._sandboxes) >= self._limits.sandboxes:
            self._sandboxes.popitem(last=False)
            self.seen.evicted += self._counts
        self._sandboxes[conversation] = now
        self.seen.created += is_new and self._counts
        self.seen.most_sandboxes = max(self.seen.most_sandboxes, len(self._sandboxes))
        return is_new
