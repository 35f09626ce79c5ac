"""One redis-server for all tests here; one that may be killed for those that ask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from librechat_code_interpreter.leases.redis import RedisLeases
from tests.leases.redis_server import RedisServer

Replica = Callable[..., RedisLeases]


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start a server once."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    """Return the server, running and empty."""
    shared_server.admin.flushall()
    return shared_server


@pytest_asyncio.fixture
async def replica(server: RedisServer) -> AsyncIterator[Replica]:
    """Make the leases of one more replica, with times that suit tests."""
    made: list[RedisLeases] = []

    def make(**values: float) -> RedisLeases:
        times = {"lease_seconds": 3600.0, "hint_seconds": 3600.0, "lock_seconds": 15.0, "answer_seconds": 2.0, **values}
        made.append(RedisLeases(server.url, prefix="test:", **times))
        return made[-1]

    yield make
    for leases in made:
        await leases.close()
