"""Run slots: how many programs run at one time, and which waiting program starts next.

Three limits:

- ``max_runs`` programs in all.
- ``max_computing`` programs that use a processor. One that sleeps or waits for a tool, a network or its own child does
  not count, so sleeping programs cannot keep others out (K24). Without a ``ProcessorMeter`` every program counts.
- Beyond ``max_computing`` programs, each further one starts only while the machine has the memory for it.

``reserved`` slots are for callers who run nothing yet: of ``max_runs``, and on top of ``max_computing``. So no user
takes all slots, and a short program of one user starts beside the long ones of another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from librechat_code_interpreter.core.errors import Busy

SAMPLE_SECONDS = 0.1
"""Time between two measurements. ``/proc`` counts processor time in hundredths of a second."""

IDLE_SECONDS = 1.0
"""How long a program counts as idle after a measurement."""

_COMPUTING_SHARE = 0.05
"""A program that uses less of one processor is waiting. This is low enough that many sharing one still count."""


@runtime_checkable
class ProcessorMeter(Protocol):
    """An engine that can report the processor time of its running programs."""

    async def processor_seconds(self, sandbox_ids: Collection[str]) -> dict[str, float]:
        """Return the processor time used so far by each sandbox; one that is not measured is missing."""
        ...


@dataclass(frozen=True, slots=True)
class SlotLimits:
    """The limits that the module describes, in numbers of programs."""

    max_runs: int
    max_computing: int
    reserved: int = 0


@dataclass(slots=True, eq=False)
class Slot:
    """The slot of one running program."""

    owner: str | None
    """The user, if known; all unknown users share one owner."""

    sandbox_id: str | None = None
    """Set once the program starts; until then it counts as computing."""

    _idle_until: float = 0.0

    @property
    def is_computing(self) -> bool:
        """Whether it used a processor recently, or was not measured recently."""
        return time.monotonic() >= self._idle_until

    def note_use(self, processor_seconds: float) -> None:
        """Record the use within ``SAMPLE_SECONDS``. It counts for a short time, because a program may stop waiting."""
        is_idle = processor_seconds <= _COMPUTING_SHARE * SAMPLE_SECONDS
        self._idle_until = time.monotonic() + IDLE_SECONDS if is_idle else 0.0


@dataclass(slots=True, eq=False)
class _Waiter:
    slot: Slot
    started: asyncio.Event = field(default_factory=asyncio.Event)


class RunSlots:
    """Assigns slots to programs in the order of arrival, as far as the limits of their owners allow."""

    def __init__(
        self, limits: SlotLimits, meter: ProcessorMeter | None = None, has_memory: Callable[[], bool] = lambda: True
    ) -> None:
        self._limits = limits
        self._meter = meter
        self._has_memory = has_memory
        self._running: set[Slot] = set()
        self._waiting: list[_Waiter] = []

    @property
    def running(self) -> int:
        """The number of programs that have a slot."""
        return len(self._running)

    @asynccontextmanager
    async def slot(self, owner: str | None, wait_seconds: float) -> AsyncIterator[Slot]:
        """Acquire a slot for the duration of the block. Raises ``Busy`` if none is free within ``wait_seconds``."""
        waiter = _Waiter(Slot(owner))
        self._waiting.append(waiter)
        try:
            self._start_waiting()
            await self._until_started(waiter, wait_seconds)
            yield waiter.slot
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            self._running.discard(waiter.slot)
            self._start_waiting()

    async def _until_started(self, waiter: _Waiter, wait_seconds: float) -> None:
        if waiter.started.is_set():
            return
        try:
            async with asyncio.timeout(wait_seconds):
                while not waiter.started.is_set():
                    await self._wait_or_measure(waiter)
        except TimeoutError as error:
            if not waiter.started.is_set():
                raise Busy("All places to run are taken.", retry_after_seconds=3) from error

    async def _wait_or_measure(self, waiter: _Waiter) -> None:
        """Wait for a slot; the first in line meanwhile measures which of the running programs compute."""
        if self._meter is None or self._waiting[0] is not waiter:
            await _until(waiter.started, SAMPLE_SECONDS)
            return
        before = await self._measured(self._meter)
        await _until(waiter.started, SAMPLE_SECONDS)
        after = await self._measured(self._meter)
        for slot in self._running:
            sandbox_id = slot.sandbox_id or ""
            slot.note_use(after.get(sandbox_id, float("inf")) - before.get(sandbox_id, 0.0))
        self._start_waiting()

    async def _measured(self, meter: ProcessorMeter) -> dict[str, float]:
        return await meter.processor_seconds([slot.sandbox_id for slot in self._running if slot.sandbox_id])

    def _start_waiting(self) -> None:
        """Assign free slots to waiters, first in line first.

        A waiter that may not start yet does not block those behind it. But above
        ``max_computing`` programs none of them starts while memory is short.
        """
        for waiter in list(self._waiting):
            if self._may_start(waiter.slot.owner):
                if self.running >= self._limits.max_computing and not self._has_memory():
                    return
                self._waiting.remove(waiter)
                self._running.add(waiter.slot)
                waiter.started.set()

    def _may_start(self, owner: str | None) -> bool:
        limits = self._limits
        is_newcomer = all(slot.owner != owner for slot in self._running)
        if self.running >= limits.max_runs - (0 if is_newcomer else limits.reserved):
            return False
        computing = sum(slot.is_computing for slot in self._running)
        return computing < limits.max_computing + (limits.reserved if is_newcomer else 0)


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, up to ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
