"""Replicas that share Redis and an account have one warm pool, one leader and one limit, whichever dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from librechat_code_interpreter.core.errors import Busy, EngineUnavailable
from librechat_code_interpreter.core.readiness import Prober
from librechat_code_interpreter.leases.memory_pool import MemoryPool
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.daytona.cloud import Clock, Cloud, until
from tests.daytona.replica import Replica, assemble, living
from tests.engine.asking import bash, output
from tests.leases.redis_server import RedisServer

ROOT = Path(__file__).parents[2]

Join = Callable[..., Any]


@pytest_asyncio.fixture
async def join(cloud: Cloud, server: RedisServer, tmp_path: Path) -> AsyncIterator[Join]:
    """Start one more replica of this test's deployment; all of them leave when the test ends."""
    async with AsyncExitStack() as lives:

        async def start(
            max_sandboxes: int = 64, tends: bool = True, clock: Clock | None = None, **changes: Any
        ) -> Replica:
            replica = assemble(cloud.settings(**changes), tmp_path.name, server.url, max_sandboxes, clock)
            return await lives.enter_async_context(living(replica, tends=tends))

        yield start
    for sandbox in cloud.of(tmp_path.name):
        cloud.force(sandbox, "destroyed")


async def until_waiting(server: RedisServer, count: int) -> set[str]:
    """Wait until the deployment has this many spares and none in creation; name them."""
    await until(lambda: server.admin.zcard("test:spares") == count and not server.admin.zcard("test:tickets"))
    return set(waiting(server))


def waiting(server: RedisServer) -> list[str]:
    """Name the spares, the oldest first."""
    return [str(name) for name in server.admin.zrange("test:spares", 0, -1)]


async def test_the_pool_is_the_deployments(cloud: Cloud, server: RedisServer, join: Join, tmp_path: Path) -> None:
    """Two replicas keep three spares, not six; sessions of both take each once; then there are three again."""
    one, two = [await join(warm_sandboxes=3) for _ in range(2)]
    spares = await until_waiting(server, 3)
    assert cloud.of(tmp_path.name) == spares
    taken = await asyncio.gather(*(replica.engine.create() for replica in (one, two, one, two)))
    names = {sandbox.id for sandbox in taken}
    assert len(names) == 4
    assert spares <= names
    assert not names & await until_waiting(server, 3)
    assert len(cloud.of(tmp_path.name)) == 7
    assert [await output(sandbox, bash("echo x")) for sandbox in taken] == ["x\n"] * 4


async def test_a_spare_of_another_replica_costs_one_call(cloud: Cloud, server: RedisServer, join: Join) -> None:
    """The replica that takes a spare checks that it lives."""
    await join(warm_sandboxes=1)
    (spare,) = await until_waiting(server, 1)
    other = await join()
    with cloud.counting() as calls:
        assert (await other.engine.create()).id == spare
    assert calls.count("GET /sandbox/{id}") == 1
    assert "POST /process/execute" not in calls[: calls.index("GET /sandbox/{id}") + 1]


async def test_a_spare_that_died_is_noticed_and_another_taken(cloud: Cloud, server: RedisServer, join: Join) -> None:
    """A dead spare is discarded by the replica that takes it; the pool fills up again."""
    await join(warm_sandboxes=2)
    await until_waiting(server, 2)
    older, newer = waiting(server)
    other = await join(warm_sandboxes=2)
    cloud.force(newer, "destroyed")
    sandbox = await other.engine.create()
    assert sandbox.id == older
    assert await output(sandbox, bash("echo lives")) == "lives\n"
    assert not {older, newer} & await until_waiting(server, 2)


async def test_without_redis_no_spare_is_taken(cloud: Cloud, server: RedisServer, join: Join) -> None:
    """A sandbox is created instead; a claim without an answer gives its spare to no session, never to two."""
    await join(warm_sandboxes=1)
    (spare,) = await until_waiting(server, 1)
    other = await join()
    server.pause()
    try:
        made = await other.engine.create()
    finally:
        server.resume()
    assert made.id != spare
    later = await asyncio.gather(*(other.engine.create() for _ in range(2)))
    assert len({made.id, *(sandbox.id for sandbox in later)}) == 3


async def test_a_spare_that_cannot_be_looked_at_goes_back(cloud: Cloud, server: RedisServer, join: Join) -> None:
    """While the control plane is down, another replica's spare cannot be taken; afterwards it is still there."""
    await join(warm_sandboxes=1)
    (spare,) = await until_waiting(server, 1)
    other = await join(warm_sandboxes=1)
    with cloud.fault("unavailable", path="^/api/sandbox", times=None), pytest.raises(EngineUnavailable):
        await other.engine.create()
    assert server.admin.zscore("test:spares", spare) is not None
    server.admin.zadd("test:spares", {spare: 1 << 50})  # the newest, if somebody made another one meanwhile
    assert (await other.engine.create()).id == spare


async def test_a_killed_leader_is_followed(cloud: Cloud, server: RedisServer, join: Join, tmp_path: Path) -> None:
    """After SIGKILL of the leader the other replica leads: it takes over the spares and destroys only orphans."""
    clock = Clock()
    command = [sys.executable, "-m", "tests.daytona.replica", cloud.api_url, server.url, tmp_path.name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220
        assert process.stdout is not None
        try:
            told = json.loads(await asyncio.to_thread(process.stdout.readline))
            other: Replica = await join(tends=False, clock=clock)
            await other.cleanup.clean_up()
            assert not other.engine.stats().ownerless, "a follower judges nobody's sandbox"
        finally:
            process.kill()
    server.admin.delete("test:guarded")  # as after ten minutes: the orphan may have been a spare that was claimed
    while not other.engine.stats().ownerless:  # until the lock runs out
        await other.cleanup.clean_up()
        await asyncio.sleep(0.05)
    assert set(other.engine.stats().ownerless) == {told["orphan"]}
    assert (await other.engine.create()).id in told["spares"]
    clock.let_pass(13)
    await other.cleanup.clean_up()
    await cloud.until_gone(told["orphan"])
    assert cloud.of(tmp_path.name) == {told["leased"], *told["spares"]}


async def test_one_replica_leads_and_the_next_when_it_stops(cloud: Cloud, join: Join) -> None:
    """However many replicas clean up, one of them lists sandboxes; one that stops releases its lead at once."""
    first, second = [await join(tends=False) for _ in range(2)]
    for _ in range(2):
        for replica, listings in ((first, 1), (second, 0)):
            with cloud.counting() as calls:
                await replica.cleanup.clean_up()
            assert calls == ["GET /sandbox"] * listings
    await first.cleanup.leader.resign()
    await second.cleanup.clean_up()
    with cloud.counting() as calls:
        await first.cleanup.clean_up()
    assert calls == []


async def test_a_leader_that_was_paused_for_long_leads_no_more(server: RedisServer, join: Join) -> None:
    """A leader whose lock expired and was taken learns it before it cleans up."""
    first, second = [await join(tends=False) for _ in range(2)]
    assert await first.cleanup.leader.is_elected()
    server.admin.delete("test:lock:sweep")
    server.admin.hset("test:fence:sweep", mapping={"n": 1 << 50, "open": 0})  # as if a later one had come and gone
    await until(lambda: not first.cleanup.leader.leads)
    assert await second.cleanup.leader.is_elected()
    assert not await first.cleanup.leader.is_elected()


async def test_all_replicas_together_have_no_more_sandboxes_than_allowed(
    cloud: Cloud, server: RedisServer, join: Join, tmp_path: Path
) -> None:
    """Six sessions at once, three places: three are served, three get a 429; then the oldest is evicted."""
    one, two = [await join(max_sandboxes=3) for _ in range(2)]
    with cloud.set_to(warm_create_seconds=0.3):
        results = await asyncio.gather(*(replica.session() for replica in (one, two) * 3), return_exceptions=True)
        assert sum(isinstance(result, Busy) for result in results) == 3, results
        assert len(cloud.of(tmp_path.name)) == 3
    oldest = (await one.leases.all())[0]
    newest = await two.session()
    await cloud.until_gone(oldest.sandbox_id)
    alive = cloud.of(tmp_path.name)
    assert len(alive) == 3
    assert newest in alive
    assert alive == {lease.sandbox_id for lease in await one.leases.all()}


async def test_a_place_is_free_again_when_no_sandbox_could_be_made(cloud: Cloud, join: Join, tmp_path: Path) -> None:
    """A failure, or a client that left, uses up no place."""
    replica: Replica = await join(max_sandboxes=1)
    with cloud.fault("unavailable", path="/api/sandbox$"), pytest.raises(EngineUnavailable):
        await replica.session()
    assert await replica.leases.all() == []
    with cloud.set_to(warm_create_seconds=0.5):
        leaving = asyncio.create_task(replica.session())
        await until(lambda: bool(cloud.of(tmp_path.name)))
        leaving.cancel()
        await asyncio.wait([leaving])
    assert await replica.leases.all() == []
    assert await replica.session()


async def test_the_sandbox_that_readiness_uses_is_not_swept(cloud: Cloud) -> None:
    """Cleanup keeps it although no lease names it; otherwise each readiness check would cost a sandbox."""
    stock, store, clock = MemoryPool(), SessionStore(open_blobs("memory://")), Clock()
    async with cloud.engine(stock, clock=clock, app="readiness") as engine:
        assert (await Prober(engine, store, stock).look()).is_ready
        (used,) = cloud.of("readiness")
        for _ in range(2):
            assert await engine.sweep(set()) == 0
            clock.let_pass(60)
        assert cloud.of("readiness") == {used}
