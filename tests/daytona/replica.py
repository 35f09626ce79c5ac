"""One replica of a deployment: ``python -m tests.daytona.replica API_URL REDIS_URL APP`` lives as one until killed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from librechat_code_interpreter.core.cleanup import Cleanup
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.sandbox_leases import SandboxLeases
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.engines.daytona.config import DaytonaSettings, Deployment
from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
from librechat_code_interpreter.leases.redis import RedisLeases
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.daytona.cloud import Clock

LOCK_SECONDS = 1.5
"""A lock that a test can wait out."""


@dataclass(frozen=True)
class Replica:
    """The parts that replicas share through Redis and Daytona."""

    engine: DaytonaEngine
    leases: RedisLeases
    sandboxes: SandboxLeases
    cleanup: Cleanup

    async def session(self) -> str:
        """Begin a session with a sandbox; errors of a run are raised."""
        session = new_id()
        async with self.leases.hold(session, 0) as hold:
            sandbox, _ = await self.sandboxes.acquire(hold)
        return sandbox.id


def assemble(
    settings: DaytonaSettings, app: str, redis_url: str, max_sandboxes: int = 64, clock: Clock | None = None
) -> Replica:
    """Build it as the wiring does, with times that suit tests."""
    times = {"lease_seconds": 3600, "hint_seconds": 3600, "lock_seconds": LOCK_SECONDS, "answer_seconds": 2.0}
    leases = RedisLeases(redis_url, prefix="test:", **times)
    deployment = Deployment(app, has_shared_leases=True)
    engine = DaytonaEngine(settings, leases.stock(), clock=clock or Clock(), deployment=deployment)
    sandboxes = SandboxLeases(engine, leases, max_sandboxes)
    store = SessionStore(open_blobs("memory://"))
    cleanup = Cleanup(
        sandboxes, leases, store, store, interval_seconds=0.2, session_ttl_seconds=3600, file_ttl_seconds=0
    )
    return Replica(engine, leases, sandboxes, cleanup)


@asynccontextmanager
async def living(replica: Replica, *, tends: bool = True) -> AsyncIterator[Replica]:
    """Open and close it as the service does; without ``tends`` the test triggers cleanup itself."""
    await replica.engine.open()
    tidying = asyncio.create_task(replica.cleanup.tend()) if tends else None
    try:
        yield replica
    finally:
        if tidying is not None:
            await end(tidying)
        await replica.cleanup.leader.resign()
        await replica.engine.close()
        await replica.leases.close()


async def _live(api_url: str, redis_url: str, app: str) -> None:
    settings = DaytonaSettings(
        daytona_api_key=SecretStr("emulator"), daytona_api_url=api_url, daytona_target="us", daytona_warm_sandboxes=2
    )
    async with living(assemble(settings, app, redis_url)) as replica:
        leased = await replica.session()
        orphan = await replica.engine.create()
        while len(replica.engine.stats().warm) < 2 or not replica.cleanup.leader.leads:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        spares = sorted(replica.engine.stats().warm)
        print(json.dumps({"leased": leased, "orphan": orphan.id, "spares": spares}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_live(*sys.argv[1:]))
