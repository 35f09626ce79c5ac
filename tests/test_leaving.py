"""A client that disconnects, and the effect on its run."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from fastapi import Request

from librechat_code_interpreter.api.disconnect import while_connected
from librechat_code_interpreter.core.errors import ClientLeft, LeasesUnavailable


async def test_an_error_of_a_run_whose_client_has_left_was_logged_as_never_retrieved() -> None:
    """A run that met an error during its cancellation used to log a traceback."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    leaves = asyncio.Event()

    async def receive() -> dict[str, str]:
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def work() -> None:
        leaves.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise LeasesUnavailable("The session was lost.")

    with pytest.raises(ClientLeft):
        await while_connected(Request({"type": "http"}, receive), work())
    gc.collect()
    assert told == []


async def test_a_client_that_leaves_hides_no_other_cancellation() -> None:
    """A shutdown at the same moment ends the request as it ends all others."""
    left = asyncio.Event()

    async def receive() -> dict[str, str]:
        await left.wait()
        return {"type": "http.disconnect"}

    working = asyncio.create_task(while_connected(Request({"type": "http"}, receive), asyncio.Event().wait()))
    await asyncio.sleep(0)
    left.set()
    await asyncio.sleep(0)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


async def test_work_that_is_done_leaves_nobody_watching() -> None:
    """The watcher of a connection ends soon after the answer."""
    before = asyncio.all_tasks()

    async def work() -> int:
        await asyncio.sleep(0)
        return 4

    assert await while_connected(Request({"type": "http"}, asyncio.Event().wait), work()) == 4  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
