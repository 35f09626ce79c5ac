"""Calls of the SDK when an engine opens."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from tests.daytona.cloud import Cloud


async def test_opening_beside_other_replicas_is_quiet(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    """One query of the account, whatever exists already; no warning in the log."""
    async with cloud.engine(app="quiet", has_shared_leases=True) as first:
        made = [await first.create() for _ in range(3)]
        with cloud.counting() as calls, caplog.at_level(logging.WARNING):
            async with cloud.engine(app="quiet", has_shared_leases=True):
                gc.collect()
                await asyncio.sleep(0)
        assert caplog.messages == []
        assert calls == ["GET /sandbox"]
        for sandbox in made:
            await first.destroy(sandbox.id)
