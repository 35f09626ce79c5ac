"""Limits on the runs of a user or a tenant, wherever they are counted (K42)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from limits.aio.storage import MemoryStorage

from librechat_code_interpreter.core.errors import Busy
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.leases import rates
from librechat_code_interpreter.leases.rates import WindowRates, in_memory
from tests.leases.conftest import Replica
from tests.leases.redis_server import RedisServer

ALICE = Principal("jwt", tenant="acme", user="alice")
BOB = Principal("jwt", tenant="acme", user="bob")
RIVAL = Principal("jwt", tenant="rival", user="alice")
KEY = Principal("key")

Make = Callable[[int, int], WindowRates]


@pytest_asyncio.fixture(params=["memory", "redis"])
async def make(request: pytest.FixtureRequest, replica: Replica) -> AsyncIterator[Make]:
    """Count in memory or in Redis."""
    yield in_memory if request.param == "memory" else replica().rates


async def started(counted: WindowRates, principal: Principal, tries: int) -> int:
    """Count how many of this number of runs are admitted."""
    done = 0
    for _ in range(tries):
        try:
            await counted.admit(principal)
        except Busy:
            continue
        done += 1
    return done


async def test_a_user_starts_so_many_and_no_more(make: Make) -> None:
    """The 41st within 30 seconds is refused; other users, of this tenant and of others, are not."""
    counted = make(40, 0)
    assert await started(counted, ALICE, 50) == 40
    assert await started(counted, BOB, 40) == 40
    assert await started(counted, RIVAL, 40) == 40


async def test_a_tenant_starts_so_many_and_no_more(make: Make) -> None:
    """The users of a tenant share its number; another tenant, and the callers without a token, have their own."""
    counted = make(0, 40)
    assert await started(counted, ALICE, 30) == 30
    assert await started(counted, BOB, 30) == 10
    assert await started(counted, RIVAL, 40) == 40
    assert await started(counted, KEY, 50) == 40
    assert await started(counted, KEY.known_as("alice"), 1) == 0


async def test_nobody_in_particular_has_no_limit_of_a_users(make: Make) -> None:
    """Requests of the key without a user are not one user."""
    assert await started(make(40, 0), KEY, 100) == 100


async def test_a_refusal_says_when_to_come_again(make: Make) -> None:
    """K42: between 1 and 15 seconds, whatever is left of the window."""
    counted = make(40, 0)
    await started(counted, ALICE, 40)
    with pytest.raises(Busy) as refused:
        await counted.admit(ALICE)
    assert refused.value.code == "rate_limited"
    assert 1 <= refused.value.retry_after_seconds <= 15
    assert "40 programs" in refused.value.message


async def test_names_are_not_mixed_up(make: Make) -> None:
    """User names that contain another's tenant and name are distinct."""
    counted = make(40, 0)
    await started(counted, Principal("jwt", tenant="a", user="b/c"), 40)
    assert await started(counted, Principal("jwt", tenant="a/b", user="c"), 1) == 1


async def test_a_window_moves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """30 seconds after the first run the next is admitted, as with a sliding window."""
    counted, now = WindowRates(40, 0, MemoryStorage()), 1000.0
    monkeypatch.setattr("limits.aio.storage.memory.time.time", lambda: now)
    for _ in range(40):
        await counted.admit(ALICE)
        now += 0.5
    assert await started(counted, ALICE, 1) == 0
    now = 1001.25 + rates.WINDOW_SECONDS
    assert await started(counted, ALICE, 10) == 3


async def test_replicas_count_together(replica: Replica) -> None:
    """Two replicas at one Redis admit as many as one."""
    one, other = replica().rates(40, 0), replica().rates(40, 0)
    assert await started(one, ALICE, 30) == 30
    assert await started(other, ALICE, 30) == 10


async def test_no_name_of_a_person_goes_to_redis(replica: Replica, server: RedisServer) -> None:
    """Keys are digests below the prefix."""
    await replica().rates(40, 40).admit(ALICE)
    keys = [str(key) for key in server.admin.keys("*")]
    assert len(keys) == 2 and all(key.startswith("test:rates") for key in keys)
    assert not any(name in key for key in keys for name in ("alice", "acme"))


async def test_without_redis_nothing_is_limited(
    server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Redis runs continue, with one line in the log and no request each time; later it counts again."""
    from librechat_code_interpreter.leases.redis import RedisLeases

    leases = RedisLeases(server.url, prefix="t:", lease_seconds=60, hint_seconds=60, answer_seconds=0.3)
    counted, now = leases.rates(40, 0), 0.0
    monkeypatch.setattr("librechat_code_interpreter.leases.rates.time.monotonic", lambda: now)
    server.kill()
    with caplog.at_level(logging.WARNING):
        assert await started(counted, ALICE, 100) == 100
    assert [
        record.message for record in caplog.records if record.name == "librechat_code_interpreter.leases.rates"
    ] == ["runs are not limited for now: their counts are away (ConnectionError)"]
    server.start()
    now = rates.AWAY_SECONDS + 1
    assert await started(counted, ALICE, 50) == 40
    await leases.close()
