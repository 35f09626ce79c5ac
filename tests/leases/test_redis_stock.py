"""A warm pool in Redis passes the suite, between replicas, and when Redis dies."""

from __future__ import annotations

import asyncio

import pytest

from librechat_code_interpreter.core.errors import LeasesUnavailable
from librechat_code_interpreter.core.protocols import GUARD_SECONDS, SharedPool
from tests.leases.conftest import Replica
from tests.leases.redis_server import RedisServer
from tests.leases.stock_conformance import StockConformance, put
from tests.leases.waiting import until

QUICK_SECONDS = 1.0
"""How long a test lets a hanging Redis take."""


class TestRedisStock(StockConformance):
    """Run the suite on one client."""

    @pytest.fixture
    def stock(self, replica: Replica) -> SharedPool:
        """Begin with an empty database."""
        return replica().stock()


async def test_replicas_share_one_stock(replica: Replica) -> None:
    """A spare of one replica is taken by another, none twice, and the size is that of all together."""
    one, two = replica().stock(), replica().stock()
    asked = await asyncio.gather(*(stock.reserve(5, 60) for stock in (one, two) for _ in range(5)))
    tickets = [ticket for ticket in asked if ticket]
    assert len(tickets) == 5
    for ticket in tickets:
        assert await two.fill(ticket, ticket)
    claimed = await asyncio.gather(*(stock.claim(tickets) for stock in (one, two) for _ in range(4)))
    assert sorted(spare for spare in claimed if spare) == sorted(tickets)


async def test_without_redis_nothing_is_handed_out(replica: Replica, server: RedisServer) -> None:
    """Every method raises an error; when Redis restarts empty, the pool is empty."""
    stock = replica().stock()
    await put(stock, "a")
    server.kill()
    try:
        for asked in (stock.claim(), stock.reserve(1, 60), stock.kept(), stock.guard("a"), stock.withdraw("a")):
            with pytest.raises(LeasesUnavailable):
                await asked
    finally:
        server.start()
    assert await stock.claim() is None


async def test_a_claim_that_was_not_heard_is_lost_and_never_handed_out_again(
    replica: Replica, server: RedisServer
) -> None:
    """Redis executed it after our timeout: the spare is guarded, and given to no session."""
    hasty, other = replica(answer_seconds=QUICK_SECONDS).stock(), replica().stock()
    await put(other, "a", "b")
    assert await hasty.claim() == "b", "the script is loaded, so the next claim is one command"
    server.admin.config_resetstat()
    server.pause()
    with pytest.raises(LeasesUnavailable):
        await hasty.claim()
    server.resume()
    await until(lambda: server.commands().get("evalsha", 0) == 1)
    assert await other.claim() is None
    assert await other.kept() == {"a", "b"}


async def test_a_guard_lapses(replica: Replica, server: RedisServer) -> None:
    """Claims expire by Redis's clock, and leave nothing."""
    stock = replica().stock()
    await stock.guard("a")
    assert await stock.kept() == {"a"}
    server.admin.zincrby("test:guarded", -1000 * GUARD_SECONDS, "a")
    assert await stock.kept() == set()
    assert not server.admin.exists("test:guarded")
