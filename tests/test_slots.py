"""Run slots: which run starts, which waits, and what counts as computing (K24, K42)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from librechat_code_interpreter.core.errors import Busy
from librechat_code_interpreter.core.slots import RunSlots, Slot, SlotLimits

SOON_SECONDS = 30.0
"""Waits end by an event long before; this only ends a test that fails."""


@dataclass
class Meter:
    """An engine whose programs compute all the time, but for the idle ones."""

    idle: set[str] = field(default_factory=set)
    used: float = 0.0

    async def processor_seconds(self, sandbox_ids: Collection[str]) -> dict[str, float]:
        self.used += 1.0
        return {name: 0.0 if name in self.idle else self.used for name in sandbox_ids}


@asynccontextmanager
async def running(slots: RunSlots, *names: str, owner: str | None = None) -> AsyncIterator[list[Slot]]:
    """Occupy a slot for each name."""
    async with AsyncExitStack() as stack:
        held = []
        for name in names:
            slot = await stack.enter_async_context(slots.slot(owner, SOON_SECONDS))
            slot.sandbox_id = name
            held.append(slot)
        yield held


async def starts(slots: RunSlots, owner: str | None = None, wait_seconds: float = SOON_SECONDS) -> bool:
    """Return whether one more program gets a slot in time."""
    try:
        async with slots.slot(owner, wait_seconds):
            return True
    except Busy:
        return False


async def test_programs_that_sleep_take_no_computing_slot() -> None:
    """K24: beside twenty sleeping programs one more starts, though only two may compute."""
    slots = RunSlots(SlotLimits(max_runs=40, max_computing=2), Meter(idle={str(number) for number in range(20)}))
    async with running(slots, *map(str, range(20))):
        assert slots.running == 20
        assert await starts(slots)


async def test_programs_that_compute_keep_others_waiting() -> None:
    """K42: with both computing slots taken, the next one is refused after its wait, and starts when one is free."""
    slots = RunSlots(SlotLimits(max_runs=40, max_computing=2), Meter())
    async with running(slots, "a", "b"):
        assert not await starts(slots, wait_seconds=0.5)
        assert not await starts(slots, wait_seconds=0)
    assert await starts(slots, wait_seconds=0)


async def test_a_program_that_wakes_up_counts_again() -> None:
    """K24: an idle measurement expires soon."""
    meter = Meter(idle={"a", "b"})
    slots = RunSlots(SlotLimits(max_runs=40, max_computing=2), meter)
    async with running(slots, "a", "b"):
        assert await starts(slots)
        meter.idle.clear()
        async with asyncio.timeout(SOON_SECONDS):
            while await starts(slots, wait_seconds=0):  # noqa: ASYNC110  time passes until the measurement is old
                await asyncio.sleep(0.1)
        assert not await starts(slots, wait_seconds=0.5)


async def test_without_a_meter_every_program_counts() -> None:
    """K42: an engine that measures nothing has its plain number of slots."""
    slots = RunSlots(SlotLimits(max_runs=3, max_computing=3))
    async with running(slots, "a", "b", "c"):
        assert not await starts(slots, wait_seconds=0.5)


async def test_memory_bounds_programs_beyond_the_computing_slots() -> None:
    """K24: a sleeping program takes memory; if memory is short, no more than may compute are started."""
    has_memory = False
    slots = RunSlots(SlotLimits(max_runs=40, max_computing=2), Meter(idle={"a", "b"}), lambda: has_memory)
    async with running(slots, "a", "b"):
        assert not await starts(slots, wait_seconds=0.5)
        has_memory = True
        assert await starts(slots)


async def test_nobody_takes_all_slots() -> None:
    """K24: one user's sleeping programs leave the reserved slots to others, of whom each gets one."""
    slots = RunSlots(SlotLimits(max_runs=8, max_computing=8, reserved=2))
    async with running(slots, *"abcdef", owner="one"):
        assert not await starts(slots, "one", wait_seconds=0.2)
        async with running(slots, "g", owner="two"):
            assert not await starts(slots, "two", wait_seconds=0.2)
            async with running(slots, "h", owner="three"):
                assert not await starts(slots, "four", wait_seconds=0.2)


async def test_a_short_program_starts_beside_anothers_computing() -> None:
    """K24: all computing slots are one user's; another's program starts at once in a reserved one."""
    slots = RunSlots(SlotLimits(max_runs=40, max_computing=2, reserved=1), Meter())
    async with running(slots, "a", "b", owner="one"):
        assert not await starts(slots, "one", wait_seconds=0)
        assert await starts(slots, "two", wait_seconds=0)


async def test_who_may_not_start_keeps_nobody_back() -> None:
    """K24: a queue of one user's programs does not delay another user's."""
    slots = RunSlots(SlotLimits(max_runs=4, max_computing=4, reserved=1))
    async with running(slots, "a", "b", "c", owner="one"):
        queued = [asyncio.ensure_future(starts(slots, "one")) for _ in range(20)]
        await asyncio.sleep(0)
        assert await starts(slots, "two", wait_seconds=0)
    assert all(await asyncio.gather(*queued))


async def test_waiting_programs_start_in_the_order_of_their_arrival() -> None:
    """K42: first come, first served among those that are eligible."""
    slots = RunSlots(SlotLimits(max_runs=1, max_computing=1))
    order: list[int] = []

    async def run(number: int) -> None:
        async with slots.slot(None, SOON_SECONDS):
            order.append(number)

    async with running(slots, "a"):
        queued = []
        for number in range(5):
            queued.append(asyncio.ensure_future(run(number)))
            await asyncio.sleep(0)
    await asyncio.gather(*queued)
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("when", ["waiting", "running"])
async def test_a_cancelled_program_leaves_no_slot_taken(when: str) -> None:
    """K26: a cancelled run, waiting or running, frees its slot for the next in line."""
    slots = RunSlots(SlotLimits(max_runs=1, max_computing=1))
    entered, forever = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        async with slots.slot(None, SOON_SECONDS):
            entered.set()
            await forever.wait()

    first = asyncio.ensure_future(run())
    await entered.wait()
    second, third = asyncio.ensure_future(run()), asyncio.ensure_future(starts(slots))
    await asyncio.sleep(0)
    for task in (second, first) if when == "waiting" else (first, second):
        task.cancel()
        await asyncio.wait([task])
    assert await third
    assert slots.running == 0
