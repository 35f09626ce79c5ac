"""A cancellation that is lost on its way leaves no session locked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from librechat_code_interpreter.core.errors import LeasesUnavailable
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.protocols import Lease
from librechat_code_interpreter.leases.connection import Connection, Script
from tests.leases.conformance import PLENTY_SECONDS
from tests.leases.conftest import Replica

RENEWED_OFTEN_SECONDS = 0.15


async def test_a_renewal_that_swallows_its_cancellation_ends(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis's own timeout may occur in the same moment; the lock is released nevertheless."""
    leases, session, renewing = replica(lock_seconds=RENEWED_OFTEN_SECONDS), new_id(), asyncio.Event()

    swallowed: list[BaseException] = []
    usual = Connection.run

    async def run(self: Connection, script: Script, keys: list[str], args: list[Any]) -> Any:
        if args[0] != "renew":
            return await usual(self, script, keys, args)
        renewing.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as lost:
            if swallowed:
                raise
            swallowed.append(lost)
            raise LeasesUnavailable("The leases do not answer (TimeoutError).") from None

    async def hold() -> None:
        async with leases.hold(session, 0) as hold:
            await leases.keep(hold, Lease(session, "box"))
            monkeypatch.setattr(Connection, "run", run)
            await renewing.wait()

    async with asyncio.timeout(PLENTY_SECONDS):
        await hold()
        async with replica().hold(session, PLENTY_SECONDS):
            pass
