"""Lock a session until killed: ``python -m tests.leases.holder URL SESSION LOCK_SECONDS``."""

from __future__ import annotations

import asyncio
import sys

from librechat_code_interpreter.core.protocols import Lease
from librechat_code_interpreter.leases.redis import RedisLeases


async def _hold(url: str, session: str, lock_seconds: float) -> None:
    leases = RedisLeases(url, prefix="test:", lease_seconds=3600, hint_seconds=3600, lock_seconds=lock_seconds)
    async with leases.hold(session, 0) as hold:
        await leases.keep(hold, Lease(session, "of the killed"))
        print("held", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_hold(sys.argv[1], sys.argv[2], float(sys.argv[3])))
