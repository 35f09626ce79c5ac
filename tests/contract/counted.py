"""Counts of the work that a request causes, as a measure that does not depend on the machine's load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from librechat_code_interpreter.core.protocols import Engine, Sandbox, Staged
from librechat_code_interpreter.runner.messages import Pause, Reply, Request, Results
from tests.contract.engines import Borrowed, Wrapped
from tests.contract.service import Service

_STORE = ("load", "change", "create", "write", "read", "erase")
_LEASES = ("hold", "keep", "drop", "all", "hint")


class Counted(Borrowed):
    """The engine, with every call of it and of its sandboxes recorded."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.done: Counter[str] = Counter()

    async def create(self) -> Sandbox:
        self.done["create"] += 1
        sandbox = _CountedSandbox(await super().create(), self.done)
        self.alive[sandbox.id] = sandbox
        return sandbox

    async def find(self, sandbox_id: str) -> Sandbox | None:
        self.done["find"] += 1
        return await super().find(sandbox_id)

    async def destroy(self, sandbox_id: str) -> None:
        self.done["destroy"] += 1
        await super().destroy(sandbox_id)


class _CountedSandbox(Wrapped):
    def __init__(self, sandbox: Sandbox, done: Counter[str]) -> None:
        super().__init__(sandbox)
        self._done = done

    async def put(self, files: Sequence[Staged]) -> dict[str, str]:
        self._done["put"] += 1
        return await super().put(files)

    async def exchange(self, request: Request) -> Reply:
        self._done["exchange"] += 1
        return await super().exchange(request)

    async def begin(self, request: Request) -> Reply | Pause:
        self._done["begin"] += 1
        return await super().begin(request)

    async def resume(self, results: Results) -> Reply | Pause:
        self._done["resume"] += 1
        return await super().resume(results)


@contextmanager
def counting(service: Service, engine: Counted) -> Iterator[Counter[str]]:
    """Record the calls of the store, the leases and the engine until the block ends."""
    parts: tuple[tuple[str, Any, Sequence[str]], ...] = (
        ("store", service.parts.store, _STORE),
        ("leases", service.parts.leases, _LEASES),
    )
    done: Counter[str] = Counter()
    engine.done.clear()
    for part, holder, names in parts:
        for name in names:
            setattr(holder, name, _noting(getattr(holder, name), f"{part}.{name}", done))
    try:
        yield done
    finally:
        for _, holder, names in parts:
            for name in names:
                delattr(holder, name)
        done.update({f"engine.{name}": count for name, count in engine.done.items()})


def _noting(verb: Callable[..., Any], name: str, done: Counter[str]) -> Callable[..., Any]:
    def noted(*args: Any, **kwargs: Any) -> Any:
        done[name] += 1
        return verb(*args, **kwargs)

    return noted
