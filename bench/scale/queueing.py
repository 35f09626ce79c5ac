"""Mean waits of queues with several servers by formula, to check the simulation."""

from __future__ import annotations


def erlang_c(rate: float, service_seconds: float, servers: int) -> float:
    """Return the mean wait (seconds) of Poisson arrivals at ``servers`` equal servers with exponential service (M/M/c).

    Raises ``ValueError`` where the queue would grow for ever.
    """
    offered = rate * service_seconds
    if offered >= servers:
        raise ValueError("more work comes than the servers can do")
    blocked = 1.0
    for number in range(1, servers + 1):  # Erlang B by its recursion, which no factorial overflows
        blocked = offered * blocked / (number + offered * blocked)
    waits = blocked / (1 - offered / servers * (1 - blocked))
    return waits * service_seconds / (servers - offered)
