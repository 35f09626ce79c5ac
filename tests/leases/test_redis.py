"""Leases in Redis pass the suite of all leases, between replicas, and when replicas or Redis die."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from librechat_code_interpreter.core.errors import Busy, LeasesUnavailable
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.protocols import Lease, Leases
from librechat_code_interpreter.leases.redis import RedisLeases
from tests.leases.conformance import PLENTY_SECONDS, LeasesConformance
from tests.leases.conftest import Replica
from tests.leases.redis_server import PASSWORD, RedisServer
from tests.leases.waiting import until

ROOT = Path(__file__).parents[2]
SHORT_SECONDS = 1.5
"""A lock that is renewed five times a second, and that a test can wait out."""

QUICK_SECONDS = 1.0
"""How long a test lets a hanging Redis take."""


class TestRedisLeases(LeasesConformance):
    """Run the suite on one client."""

    @pytest.fixture
    def leases(self, replica: Replica) -> Leases:
        """Begin with an empty database."""
        return replica()


async def take(leases: Leases, session: str) -> None:
    """Lock a session once, waiting as long as it takes."""
    async with leases.hold(session, PLENTY_SECONDS):
        pass


@asynccontextmanager
async def without_redis(server: RedisServer) -> AsyncIterator[None]:
    """Kill Redis for a while; it restarts empty."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@asynccontextmanager
async def hanging(server: RedisServer) -> AsyncIterator[None]:
    """Let Redis hang for a while."""
    server.pause()
    try:
        yield
    finally:
        server.resume()


async def test_replicas_contend_for_a_session(replica: Replica) -> None:
    """A lock of one replica is busy for the other; a waiter there is next, and gets the lease."""
    one, two, session = replica(), replica(), new_id()
    async with one.hold(session, 0) as first:
        with pytest.raises(Busy):
            async with two.hold(session, 0):
                pass
        waiting = two.hold(session, PLENTY_SECONDS)
        entering = asyncio.create_task(waiting.__aenter__())
        await one.keep(first, Lease(session, "box", {"a": "b"}))
        assert not entering.done()
    second = await entering
    assert second.lease is not None
    assert second.lease.sandbox_id == "box"
    assert first.is_lost()
    await waiting.__aexit__(None, None, None)


async def test_waiting_is_no_polling(replica: Replica, server: RedisServer) -> None:
    """A waiter sleeps in Redis and is woken: a dozen commands in all, however long the holder takes."""
    one, two, session = replica(), replica(), new_id()
    async with one.hold(session, 0):
        server.admin.config_resetstat()
        waiting = asyncio.create_task(take(two, session))
        await until(lambda: server.admin.info("clients")["blocked_clients"] == 1)
        asleep = server.commands()
    await waiting
    assert asleep["evalsha"] == 1
    assert server.commands()["blpop"] == 1


async def test_one_at_a_time_over_all_replicas(replica: Replica) -> None:
    """Thirty locks of one session from three replicas: never two at once, and each is granted."""
    replicas, session, inside, holds = [replica() for _ in range(3)], new_id(), 0, 0

    async def work(leases: RedisLeases) -> None:
        nonlocal inside, holds
        async with leases.hold(session, PLENTY_SECONDS):
            inside += 1
            assert inside == 1
            holds += 1
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work(leases) for leases in replicas for _ in range(10)))
    assert holds == 30


async def test_a_lock_is_renewed_while_it_is_held(replica: Replica) -> None:
    """A lock is renewed beyond its expiry: it is neither lost nor free for others."""
    one, two, session = replica(lock_seconds=SHORT_SECONDS), replica(), new_id()
    async with one.hold(session, 0) as hold:
        await asyncio.sleep(2 * SHORT_SECONDS)
        with pytest.raises(Busy):
            async with two.hold(session, 0):
                pass
        assert not hold.is_lost()


def names(server: RedisServer) -> set[str]:
    """List the keys that are there."""
    return {key.decode() if isinstance(key, bytes) else str(key) for key in server.admin.keys()}  # noqa: SIM118


async def test_a_killed_replica_is_taken_over(replica: Replica, server: RedisServer) -> None:
    """After SIGKILL during a run the lock expires; the next holder gets no lease: that sandbox is not trusted."""
    session = new_id()
    with subprocess.Popen(  # noqa: ASYNC220  it starts at once, and nothing else runs meanwhile
        [sys.executable, "-m", "tests.leases.holder", server.url, session, str(SHORT_SECONDS)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        leases = replica()
        with pytest.raises(Busy):
            async with leases.hold(session, 0):
                pass
        assert [lease.sandbox_id for lease in await leases.all()] == ["of the killed"]
        holder.kill()
    async with leases.hold(session, PLENTY_SECONDS) as hold:
        assert hold.lease is None
        assert await leases.all() == []


async def test_a_lost_lock_is_noticed_and_harmless(replica: Replica, server: RedisServer) -> None:
    """A replica that lost the lock to another learns it, can change nothing, and does not release the other's."""
    one, two, session = replica(lock_seconds=SHORT_SECONDS), replica(), new_id()
    async with one.hold(session, 0) as lost:
        await one.keep(lost, Lease(session, "old"))
        server.admin.delete(f"test:lock:{session}")  # as if it had run out
        newer = two.hold(session, 0)
        try:
            hold = await newer.__aenter__()
        except Busy:
            pytest.skip("a renewal came first, and that is fine")
        await two.keep(hold, Lease(session, "new"))
        await until(lost.is_lost)
        for change in (one.keep(lost, Lease(session, "old")), one.drop(lost)):
            with pytest.raises(LeasesUnavailable):
                await change
    with pytest.raises(Busy):
        async with one.hold(session, 0):
            pass
    assert not hold.is_lost()
    assert [lease.sandbox_id for lease in await one.all()] == ["new"]
    await newer.__aexit__(None, None, None)


async def test_a_lock_that_ran_out_unnoticed_is_still_ours(replica: Replica, server: RedisServer) -> None:
    """If nobody took the lock in between, its holder keeps it."""
    leases, session = replica(), new_id()
    async with leases.hold(session, 0) as hold:
        server.admin.delete(f"test:lock:{session}")
        await leases.keep(hold, Lease(session, "box"))
        with pytest.raises(Busy):
            async with replica().hold(session, 0):
                pass


async def test_a_hold_outlives_the_loss_of_all_data(replica: Replica, server: RedisServer) -> None:
    """When Redis restarts empty, holders write lock and lease again; fences still grow."""
    leases, session = replica(lock_seconds=SHORT_SECONDS), new_id()
    async with leases.hold(session, 0) as hold:
        await leases.keep(hold, Lease(session, "box", {"a": "b"}))
        async with without_redis(server):
            await until(hold.is_lost)
            with pytest.raises(LeasesUnavailable):
                await leases.keep(hold, Lease(session, "box"))
        await until(lambda: not hold.is_lost())
        assert [(lease.sandbox_id, lease.staged) for lease in await leases.all()] == [("box", {"a": "b"})]
        await leases.keep(hold, Lease(session, "box"))
    server.admin.flushall()
    async with leases.hold(session, 0):
        with pytest.raises(LeasesUnavailable):
            await leases.keep(hold, Lease(session, "box"))


async def test_without_redis_everything_is_unavailable_and_then_works(replica: Replica, server: RedisServer) -> None:
    """Every method raises 503 with ``Retry-After``, and works on new connections afterwards."""
    leases, session = replica(), new_id()
    await asyncio.gather(*(take(leases, new_id()) for _ in range(5)))  # five idle connections that will be dead
    async with without_redis(server):
        for asked in (take(leases, session), leases.all(), leases.hint("k"), leases.hint("k", "s")):
            with pytest.raises(LeasesUnavailable) as failed:
                await asked
            assert failed.value.retry_after_seconds >= 1
    await asyncio.gather(*(take(leases, session) for _ in range(10)))
    assert await leases.hint("k", "s") == "s"


async def test_a_waiter_hears_that_redis_died(replica: Replica, server: RedisServer) -> None:
    """A waiter fails at once, and does not wait on."""
    leases, session = replica(), new_id()
    async with leases.hold(session, 0):
        waiting = asyncio.create_task(take(leases, session))
        await until(lambda: server.admin.info("clients")["blocked_clients"] == 1)
        async with without_redis(server):
            with pytest.raises(LeasesUnavailable):
                await waiting


async def test_a_hanging_redis_is_unavailable(replica: Replica, server: RedisServer) -> None:
    """No answer in time is a 503; a late execution by Redis locks nobody out for long."""
    leases, session = replica(lock_seconds=SHORT_SECONDS, answer_seconds=QUICK_SECONDS), new_id()
    async with hanging(server):
        with pytest.raises(LeasesUnavailable):
            await take(leases, session)
    await take(leases, session)


async def test_a_lease_that_could_not_be_kept_goes_with_its_hold(replica: Replica, server: RedisServer) -> None:
    """The stored lease no longer matches the sandbox's contents, so the next holder must not get it."""
    leases, session = replica(answer_seconds=QUICK_SECONDS), new_id()
    async with leases.hold(session, 0) as hold:
        await leases.keep(hold, Lease(session, "box", {"a": "old"}))
        async with hanging(server):
            with pytest.raises(LeasesUnavailable):
                await leases.keep(hold, Lease(session, "box", {"a": "new"}))
    async with leases.hold(session, PLENTY_SECONDS) as hold:
        assert hold.lease is None


async def test_ages_are_by_redis_clock(replica: Replica, server: RedisServer) -> None:
    """A lease's last use is reported in the reader's own time, so that replicas' clocks need not agree."""
    leases, session = replica(), new_id()
    async with leases.hold(session, 0) as hold:
        await leases.keep(hold, Lease(session, "box"))
    server.admin.zincrby("test:used", -60_000, session)
    (lease,) = await leases.all()
    assert 60 <= time.time() - lease.used_at < 60 + PLENTY_SECONDS


async def test_every_key_has_the_prefix_and_an_end(replica: Replica, server: RedisServer) -> None:
    """Every key expires, and none contains a user's name."""
    leases, session = replica(), new_id()
    async with leases.hold(session, 0) as hold:
        await leases.keep(hold, Lease(session, "box"))
        await leases.hint("tenant\0alice\0conversation", session)
        held = names(server)
    keys = held | names(server)
    assert {key.split(":")[1] for key in keys} == {"lock", "fence", "lease", "used", "free", "hint"}
    assert all(key.startswith("test:") and "alice" not in key for key in keys)
    assert all(server.admin.ttl(key) >= 0 for key in names(server) - {"test:used"})


async def test_a_lease_that_ran_out_leaves_no_trace(replica: Replica, server: RedisServer) -> None:
    """A lease that nobody renewed is not listed, and its place in the order goes too."""
    leases, session = replica(), new_id()
    async with leases.hold(session, 0) as hold:
        await leases.keep(hold, Lease(session, "box"))
    server.admin.delete(f"test:lease:{session}")
    assert await leases.all() == []
    assert not server.admin.exists("test:used")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Record everything that is logged."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


async def test_no_password_in_errors_and_logs(
    replica: Replica, server: RedisServer, logged: pytest.LogCaptureFixture
) -> None:
    """REDIS_URL may contain a password; neither users nor the log ever see it, even when it is wrong."""
    leases, session = replica(lock_seconds=SHORT_SECONDS), new_id()
    async with leases.hold(session, 0) as hold, without_redis(server):
        await until(hold.is_lost)
        with pytest.raises(LeasesUnavailable) as failed:
            await leases.drop(hold)
    wrong = RedisLeases(server.url.replace(PASSWORD, "a-wrong-one"), prefix="test:", lease_seconds=1, hint_seconds=1)
    with pytest.raises(LeasesUnavailable) as refused:
        await wrong.all()
    await wrong.close()
    told = " ".join((repr(failed.value), repr(refused.value), logged.text, repr(leases)))
    assert PASSWORD not in told
    assert "a-wrong-one" not in told
    assert "could not be renewed" in logged.text
