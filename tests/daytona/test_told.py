"""The engine reports every call to Daytona, and its warm pool."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from librechat_code_interpreter.core.errors import EngineLimited
from librechat_code_interpreter.core.events import EngineCalled, Events, PoolFilled, PoolTaken, PoolWhole
from tests.daytona.cloud import Cloud, until
from tests.engine.asking import file, output, python

OPERATIONS = {
    "POST /sandbox": "create",
    "GET /sandbox/{id}": "get",
    "GET /sandbox": "list",
    "DELETE /sandbox/{id}": "delete",
    "POST /process/execute": "exec",
    "POST /files/bulk-upload": "upload",
    "POST /files/bulk-download": "download",
}


@dataclass
class Heard:
    """Record an engine's events."""

    events: Events = field(default_factory=Events)
    calls: list[EngineCalled] = field(default_factory=list)
    taken: list[PoolTaken] = field(default_factory=list)
    filled: list[PoolFilled] = field(default_factory=list)
    whole: list[PoolWhole] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.events.on(EngineCalled, self.calls.append)
        self.events.on(PoolTaken, self.taken.append)
        self.events.on(PoolFilled, self.filled.append)
        self.events.on(PoolWhole, self.whole.append)


async def test_every_call_to_daytona_is_told(cloud: Cloud) -> None:
    """The reported calls are those that Daytona received, each with its time."""
    parse_reply = Heard()
    with cloud.counting() as seen:
        async with cloud.engine(events=parse_reply.events, app="told") as engine:
            sandbox = await engine.create()
            assert await sandbox.put([file("a.txt", b"1")]) == {}
            assert await output(sandbox, python("print(open('a.txt').read())")) == "1\n"
            large = await sandbox.exchange(python("open('b.bin', 'wb').write(bytes(1_000_000))"))
            assert len(b"".join([chunk async for chunk in sandbox.get(large.changed[0].path)])) == 1_000_000
            await engine.sweep({sandbox.id})
    known = [OPERATIONS.get(call.partition("?")[0], call) for call in seen]
    assert Counter(known) == Counter(call.operation for call in parse_reply.calls)
    assert {"create", "list", "delete", "exec", "upload", "download"} == set(known)
    assert all(call.outcome == "ok" and call.seconds > 0 for call in parse_reply.calls)


async def test_what_goes_wrong_is_told_in_a_word(cloud: Cloud) -> None:
    """A rate limit and an absent sandbox are outcomes of their own."""
    parse_reply = Heard()
    async with cloud.engine(events=parse_reply.events, app="wrong") as engine:
        with cloud.fault("rate-limit", method="POST", path="/api/sandbox$", times=1), pytest.raises(EngineLimited):
            await engine.create()
        assert await engine.find("00000000-0000-4000-8000-000000000000") is None
    outcomes = {(call.operation, call.outcome) for call in parse_reply.calls}
    assert {("create", "limited"), ("get", "not_found")} <= outcomes


async def test_spares_are_told(cloud: Cloud) -> None:
    """After a burst: hits with their age, a miss for a run without a spare, and the refill."""
    parse_reply = Heard()
    async with cloud.engine(events=parse_reply.events, warm_sandboxes=2, app="told-spares") as engine:
        await until(lambda: len(parse_reply.filled) == 2)
        assert parse_reply.whole == []  # nothing was short of what it had been
        await asyncio.gather(*(engine.create() for _ in range(3)))
        await until(lambda: len(parse_reply.whole) == 1)
        assert sorted(taken.is_hit for taken in parse_reply.taken) == [False, True, True]
        assert all((taken.age_seconds is not None) == taken.is_hit for taken in parse_reply.taken)
        assert parse_reply.filled[-1].ready == 2
        assert parse_reply.whole[0].short_seconds > 0
