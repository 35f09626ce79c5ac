"""Calculate and simulate from measured costs, into plain data; ``page`` writes docs/scaling.md from it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bench.run import machine
from bench.scale import model
from bench.scale.model import Costs, Limits, Users
from bench.scale.queueing import erlang_c
from bench.scale.simulate import Simulation, Times

REPLICAS = (1, 10, 100)
USERS = (100, 1_000, 10_000)
IDLE_SECONDS = (1800.0, 600.0, 300.0, 120.0)
REDIS_STEP_SECONDS = 2e-6
"""A step of a script in redis-server on a core of today; 30 of them 0.06 ms. Ten times that changes no verdict."""

CALL_SECONDS = 0.15
"""A round trip to Daytona and the start of its runner."""

CREATION_SECONDS = 1.0
"""A sandbox made because no spare was ready."""

_ACCOUNT = 20_000
"""Sandboxes of an account that has room for all: then the parts of our own show."""

_SIMULATED_SECONDS = 600.0
_WARM_UP_SECONDS = 1200.0
_CHECKED_SECONDS = 6000.0


def run(costs: Costs) -> dict[str, Any]:
    """Return everything that the page says, as plain data."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "users": asdict(Users(1)),
        "limits": asdict(Limits()),
        "room": _ACCOUNT,
        "costs": costs,
        "first": [_first(costs, count) for count in USERS],
        "simulated": [_simulated(costs, count, replicas) for count in USERS[1:] for replicas in REPLICAS],
        "dollars": [_dollars(seconds) for seconds in IDLE_SECONDS],
        "checked": [checked(replicas) for replicas in REPLICAS],
    }


def _first(costs: Costs, count: int) -> dict[str, Any]:
    users = Users(count)
    own = Limits(sandboxes=_ACCOUNT * 10)
    shares = model.use(costs, users, own)
    shares["Daytona: sandboxes"] = model.use(costs, users, Limits())["Daytona: sandboxes"]
    name, most = model.first_to_give_way(costs, users, own)
    return {
        "users": count,
        "runs_per_second": users.runs_per_second,
        "shares": shares,
        "rests": model.seconds_until_evicted(users, Limits().sandboxes),
        "then": name,
        "then_at": most,
    }


def _simulated(costs: Costs, count: int, replicas: int) -> dict[str, Any]:
    users = Users(count)
    times = Times(
        service=model.of_kind(costs, users, "service_cpu_ms") / 1000,
        redis=model.of_kind(costs, users, "redis_steps") * REDIS_STEP_SECONDS,
        call=CALL_SECONDS,
        creation=CREATION_SECONDS,
    )
    limits = Limits(replicas=replicas, sandboxes=_ACCOUNT)
    seen = Simulation(users, limits, times).run(_SIMULATED_SECONDS, _WARM_UP_SECONDS)
    return {"users": count, "replicas": replicas, **seen}


def _dollars(idle_seconds: float) -> dict[str, float]:
    users = Users(USERS[-1])
    return {
        "idle_seconds": idle_seconds,
        "sandboxes": users.live_sandboxes(idle_seconds),
        "dollars": model.dollars_per_hour(users, idle_seconds),
    }


def checked(replicas: int, seconds: float = _CHECKED_SECONDS) -> dict[str, float]:
    """Simulate what the formula knows: nothing but places to run, three quarters of them used."""
    places, program, pause = 8, 1.0, 60.0
    seconds = max(60.0, seconds / replicas)
    users = Users(
        count=round(0.75 * places / program * (pause + program)) * replicas, seconds_between_runs=1e-9,
        runs_per_conversation=1e-9, seconds_between_conversations=pause, program_seconds=program,
    )  # fmt: skip
    limits = Limits(replicas=replicas, runs_at_once=places, sandboxes=_ACCOUNT * 10)
    simulation = Simulation(users, limits, Times(0, 0, 0, 0))
    runs = simulation.run(seconds, 120.0)["runs"]
    return {
        "replicas": replicas,
        "runs": runs,
        "simulated_mean_wait_ms": 1000 * sum(simulation.seen.over) / runs,
        "formula_mean_wait_ms": 1000 * erlang_c(runs / seconds / replicas, program, places),
    }
