"""Measure the service's start time, memory at rest, and memory of an idle session."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

from bench import service
from bench.programs import IMPORTS
from bench.usage import Account, kernel_bytes

MiB = 1 << 20
_LOOK_SECONDS = 0.05
_SETTLE_SECONDS = 1.0


class Watching:
    """Sample a service's memory, and report by how much it grew at most (bytes)."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._before = 0
        self.growth_bytes = 0

    def __enter__(self) -> Self:
        self._before = self._account.memory_bytes()
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.growth_bytes = max(self.growth_bytes, self._account.memory_bytes() - self._before)


def measure(sessions: int) -> dict[str, Any]:
    """Start the service (warm: others were started before it), then make idle sessions."""
    with service.running("footprint", MAX_SANDBOXES=str(sessions + 32)) as running:
        started = running.started_in_seconds
        running.execute("py", IMPORTS)  # now the stack is loaded for certain
        for _ in range(8):
            running.execute("py", "print(2+2)")
        at_rest = _settled(running)
        kernel = kernel_bytes()
        for _ in range(sessions):
            running.execute("py", "open('note.txt', 'w').write('x')")
        after = _settled(running)
        kernel_after = kernel_bytes()
        processes = len(running.account.processes())
    return {
        "start_seconds": started,
        "at_rest_mib": at_rest / MiB,
        "processes_at_rest": processes,
        "sessions": sessions,
        "idle_session_mib": ((after - at_rest) + (kernel_after - kernel)) / sessions / MiB,
        "idle_session_processes_mib": (after - at_rest) / sessions / MiB,
    }


def _settled(running: service.Service) -> int:
    time.sleep(_SETTLE_SECONDS)  # spares are refilled and ended jails are gone by then
    return running.account.memory_bytes()
