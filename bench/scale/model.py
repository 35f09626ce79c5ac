"""Calculate what users mean for each part of a deployment, from measured costs of a run. Queues: see ``simulate``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SECONDS_PER_HOUR = 3600.0

VCPU_HOUR_DOLLARS = 0.0504
"""Daytona's list price of a running vCPU for an hour; its page /pricing, read in November 2026."""

GIB_HOUR_DOLLARS = 0.0162
"""The same for a GiB of memory."""


@dataclass(frozen=True, slots=True)
class Users:
    """Describe people who work at the same time."""

    count: int
    seconds_between_runs: float = 60.0
    """In a conversation that uses code: reading, asking, the model's own time."""

    runs_per_conversation: float = 5.0
    seconds_between_conversations: float = 300.0
    program_seconds: float = 1.0
    """What a program of a model takes on average; most of them load a table and draw."""

    share_writing: float = 0.3
    """Runs that leave a file."""

    @property
    def conversation_seconds(self) -> float:
        """Return the time from a conversation's first run to its last, and until the next one begins."""
        return self.runs_per_conversation * self.seconds_between_runs + self.seconds_between_conversations

    @property
    def runs_per_second(self) -> float:
        """Return the rate of all of them together."""
        return self.count * self.runs_per_conversation / self.conversation_seconds

    def live_sandboxes(self, idle_seconds: float) -> float:
        """Return the sandboxes alive: each from a conversation's first run until the idle limit after its last."""
        active = (self.runs_per_conversation - 1) * self.seconds_between_runs + idle_seconds
        return self.count * active / self.conversation_seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """What each part can take, in its own unit a second or at one time. Where from: docs/scaling.md."""

    replicas: int = 1
    runs_at_once: int = 64
    """``MAX_CONCURRENT_RUNS`` of a replica that only waits for Daytona."""

    redis_steps: float = 100_000.0
    bucket_requests: float = 3_500.0
    daytona_calls: float = 50_000 / 60
    daytona_creations: float = 600 / 60
    sandboxes: int = 500
    """vCPUs of the account, one for each sandbox."""

    idle_seconds: float = 1800.0
    """``SESSION_TTL_SECONDS``."""


Costs = Mapping[str, Mapping[str, float]]


def of_kind(costs: Costs, users: Users, what: str) -> float:
    """Average a cost over the runs of a conversation: its first one, plain ones, and ones that write."""
    first = 1 / users.runs_per_conversation
    writing = (1 - first) * users.share_writing
    shares = {"first": first, "writing": writing, "plain": 1 - first - writing}
    return sum(share * costs[kind][what] for kind, share in shares.items())


def use(costs: Costs, users: Users, limits: Limits) -> dict[str, float]:
    """Return the share of each part that is used; above 1 it is what gives way first."""
    rate = users.runs_per_second
    busy_seconds = users.program_seconds + of_kind(costs, users, "service_cpu_ms") / 1000
    return {
        "processor of the replicas": rate * of_kind(costs, users, "service_cpu_ms") / 1000 / limits.replicas,
        "places to run": rate * busy_seconds / (limits.replicas * limits.runs_at_once),
        "Redis": rate * of_kind(costs, users, "redis_steps") / limits.redis_steps,
        "bucket": rate * of_kind(costs, users, "bucket_requests") / limits.bucket_requests,
        "Daytona: calls": rate * of_kind(costs, users, "daytona_calls") / limits.daytona_calls,
        "Daytona: new sandboxes": rate / users.runs_per_conversation / limits.daytona_creations,
        "Daytona: sandboxes": users.live_sandboxes(limits.idle_seconds) / limits.sandboxes,
    }


def first_to_give_way(costs: Costs, users: Users, limits: Limits) -> tuple[str, int]:
    """Name the part that is full first when users come, and the number of users then."""
    shares = use(costs, users, limits)
    name = max(shares, key=lambda part: shares[part])
    return name, int(users.count / shares[name])


def dollars_per_hour(users: Users, idle_seconds: float, vcpus: float = 1, gib: float = 1) -> float:
    """Return what Daytona charges for the sandboxes that are alive."""
    each = vcpus * VCPU_HOUR_DOLLARS + gib * GIB_HOUR_DOLLARS
    return users.live_sandboxes(idle_seconds) * each


def seconds_until_evicted(users: Users, sandboxes: int) -> float:
    """Return how long a conversation may rest before its sandbox gives way to others; its files come back by staging.

    At the limit as many go as are made, the longest idle first (Little's law).
    """
    return sandboxes / (users.runs_per_second / users.runs_per_conversation)
