"""Programs that sleep or wait do not keep others from running (K24)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.contract.service import Service, until

SLEEP = "echo begun; sleep 600"


@asynccontextmanager
async def sleepers(service: Service, count: int, **body: str) -> AsyncIterator[None]:
    """Keep ``count`` sleeping programs in the sandboxes meanwhile; their callers leave at the end."""
    caller, tasks = service.caller(), list[asyncio.Future[object]]()
    try:
        for number in range(1, count + 1):  # one by one: on a busy machine forty at once wait for too long
            tasks.append(asyncio.ensure_future(caller.exec(SLEEP, "bash", timeout=300_000, **body)))
            await until(lambda number=number: service.parts.runs.admission.running == number)  # type: ignore[misc]
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await until(lambda: service.parts.runs.admission.present == 0)


@pytest.mark.parametrize("count", [4, 40])
@pytest.mark.parametrize("user", ["sleeper", "another"])
async def test_a_program_runs_beside_sleeping_ones(service: Service, count: int, user: str) -> None:
    """K24: beside four or forty sleeping programs of one user no run is refused, of this user or another."""
    async with sleepers(service, count, user_id="sleeper"):
        ran = await service.caller().exec("echo hi", "bash", user_id=user)
    assert ran["stdout"] == "hi\n"


async def test_a_program_runs_beside_anothers_computing_ones(service: Service) -> None:
    """K24: while one user's programs keep all processors busy, another user's still starts."""
    busy = [
        asyncio.ensure_future(service.caller().exec("while :; do :; done", "bash", timeout=20_000, user_id="busy"))
        for _ in range(12)
    ]
    try:
        await until(lambda: service.parts.runs.admission.present == 12)
        ran = await service.caller().exec("echo hi", "bash", user_id="another")
    finally:
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
    assert ran["stdout"] == "hi\n"
