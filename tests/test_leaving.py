"""A client that leaves, and what its run makes of that."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from fastapi import Request

from app.api.leaving import while_connected
from app.core.errors import ClientLeft, LeasesUnavailable


async def test_an_error_of_a_run_whose_client_has_left_was_logged_as_never_retrieved() -> None:
    """A run that meets an error while it is cancelled used to leave a traceback in the log that told of no fault."""
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
