"""Number of prepared jails and warm sandboxes, with hits and misses."""

from __future__ import annotations

from dataclasses import dataclass

from librechat_code_interpreter.core.events import Events, PoolFilled, PoolTaken


@dataclass(slots=True)
class Pool:
    """Counts of one kind of prepared jails or warm sandboxes."""

    name: str
    kind: str
    ready: int = 0
    hits: int = 0
    misses: int = 0


class Pools:
    """Counts takes and refills."""

    def __init__(self, events: Events) -> None:
        self._pools: dict[tuple[str, str], Pool] = {}
        events.on(PoolTaken, self._taken)
        events.on(PoolFilled, self._filled)

    def _pool(self, event: PoolTaken | PoolFilled) -> Pool:
        pool = self._pools.setdefault((event.pool, event.kind), Pool(event.pool, event.kind))
        pool.ready = event.ready
        return pool

    def _taken(self, taken: PoolTaken) -> None:
        pool = self._pool(taken)
        if taken.is_hit:
            pool.hits += 1
        else:
            pool.misses += 1

    def _filled(self, filled: PoolFilled) -> None:
        self._pool(filled)

    def all(self) -> list[Pool]:
        """List the pools, by name and kind."""
        return [self._pools[key] for key in sorted(self._pools)]
