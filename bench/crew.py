"""Run each contender in a process of its own, and count what it uses."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.contenders import Place
from bench.measure import Sample
from bench.service import ROOT
from bench.usage import Account, account

RIVALS_PYTHON = ROOT / ".cache" / "bench" / "bin" / "python"
CONTENDERS = ("service", "bare", "bwrap", "llm-sandbox", "ipykernel")
FROM_PYPI = ("llm-sandbox", "ipykernel")
_LOOK_SECONDS = 0.3


@dataclass(slots=True)
class Result:
    """What one contender did at one case and level; ``cannot`` is the reason when it did nothing."""

    sample: Sample = field(default_factory=Sample)
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    cannot: str | None = None

    @property
    def cpu_ms(self) -> float:
        """Return processor time for each good call (milliseconds)."""
        return 1000 * self.cpu_seconds / len(self.sample.times) if self.sample.times else float("nan")

    @property
    def per_second(self) -> float:
        """Return good calls a second."""
        return len(self.sample.times) / self.sample.elapsed if self.sample.elapsed else float("nan")


class Member:
    """Talk to one worker. Memory and processor time of process ``watched`` count: for the client, the service."""

    def __init__(self, process: subprocess.Popen[str], watched: Account, counts_itself: bool) -> None:
        self._process = process
        self._watched = watched
        self._counts_itself = counts_itself

    def tell(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Return an order and wait for the answer. Raises ``RuntimeError``."""
        assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101  both are pipes
        self._process.stdin.write(json.dumps({verb: arguments}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"error": "the worker ended"}')
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def sample(self, into: Result, count: int, cap_seconds: float, *, weigh: bool = False) -> None:
        """Measure, and add to what was measured before; ``weigh`` looks at the memory, which costs a little."""
        before = self._watched.cpu_seconds()
        with _peak(self._watched.memory_bytes if weigh else lambda: 0) as peak:
            answer = self.tell("sample", count=count, cap_seconds=cap_seconds)
        used = self._watched.cpu_seconds() - before
        if not self._counts_itself:
            used -= answer["self_seconds"]
        into.sample.add(Sample.from_json(answer["sample"]))
        into.cpu_seconds += max(used, 0.0)
        into.memory_bytes = max(into.memory_bytes, peak[0])


@contextmanager
def _peak(look: Callable[[], int]) -> Iterator[list[int]]:
    """Sample the memory; the peak is in the list when the block ends."""
    seen, over = [look()], threading.Event()

    def watch() -> None:
        while not over.wait(_LOOK_SECONDS):
            seen[0] = max(seen[0], look())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@contextmanager
def member(name: str, place: Place, service: Account) -> Iterator[Member]:
    """Start a worker for a contender and end it."""
    python = str(RIVALS_PYTHON if name in FROM_PYPI else sys.executable)
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(account(name))
        process = stack.enter_context(
            subprocess.Popen(
                own.into([python, "-m", "bench.worker", name]), cwd=ROOT, text=True, env=_env(place),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        is_client = name == "service"
        try:
            watched = service if is_client else own
            # a rival's library works in the worker itself; of bare commands the worker is only the driver
            counts_itself = name in FROM_PYPI or (is_client and watched.directory is not None)
            yield Member(process, watched, counts_itself)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait()


def _env(place: Place) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(ROOT)} | {
        "LC_ALL": "C.UTF-8", "JUPYTER_PLATFORM_DIRS": "1",
    }  # fmt: skip


def opening(place: Place, case: str, at_once: int) -> dict[str, Any]:
    """Write the order to get ready."""
    return {"place": asdict(place), "case": case, "at_once": at_once}
