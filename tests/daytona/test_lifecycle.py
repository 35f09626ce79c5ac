"""Life of Daytona sandboxes: warm pool, orphans, age, start and shutdown of the service."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.engines.daytona.client import APP_LABEL, INSTANCE_LABEL
from librechat_code_interpreter.engines.daytona.engine import DaytonaEngine
from librechat_code_interpreter.engines.daytona.sandbox import DaytonaSandbox
from librechat_code_interpreter.leases.memory_pool import MemoryPool
from tests.daytona.cloud import Clock, Cloud, until
from tests.engine.asking import bash, output, python


async def until_spares(engine: DaytonaEngine, count: int) -> frozenset[str]:
    """Wait until this many spares are ready."""
    await until(lambda: len(engine.stats().warm) == count)
    return engine.stats().warm


async def test_spares_are_handed_out_once_and_refilled(cloud: Cloud) -> None:
    """Each of many sessions that begin at once gets a sandbox of its own."""
    async with cloud.engine(warm_sandboxes=3, app="spares") as engine:
        waiting = set(await until_spares(engine, 3))
        sandboxes = await asyncio.gather(*(engine.create() for _ in range(5)))
        assert len({sandbox.id for sandbox in sandboxes}) == 5
        assert waiting <= {sandbox.id for sandbox in sandboxes}
        await until_spares(engine, 3)
        assert all([await output(sandbox, bash("echo x")) == "x\n" for sandbox in sandboxes])


async def test_spares_outlive_an_outage(cloud: Cloud) -> None:
    """While Daytona refuses, the failure is reported; afterwards the pool fills up."""
    with cloud.fault("rate-limit", method="POST", path="/api/sandbox$", times=2, headers={"Retry-After": "1"}):
        async with cloud.engine(warm_sandboxes=1, app="outage") as engine:
            await until(lambda: bool(engine.warnings))
            assert "limits our requests" in engine.warnings[0]
            await until_spares(engine, 1)
            assert engine.warnings == []


async def test_a_sandbox_whose_asker_left_becomes_a_spare(cloud: Cloud) -> None:
    """A sandbox that nobody waits for any more becomes a spare."""
    async with cloud.engine(warm_sandboxes=1, app="adopting") as engine:
        await until_spares(engine, 1)
        with cloud.set_to(warm_create_seconds=0.4):
            taken = await engine.create()
            making = asyncio.create_task(engine.create())
            await asyncio.sleep(0.1)
            making.cancel()
            await asyncio.wait([making])
            (spare,) = await until_spares(engine, 1)
            assert spare != taken.id


async def test_labels_and_limits_bound_a_sandbox_even_if_we_all_die(cloud: Cloud) -> None:
    """Daytona stops it when idle, deletes it when stopped, and deletes it at a certain age."""
    async with cloud.engine(app="labels", auto_stop_minutes=45, ttl_minutes=90) as engine:
        sandbox = await engine.create()
        seen = cloud.sandboxes()[sandbox.id]
        assert (seen["autoStopInterval"], seen["ttlMinutes"]) == (45, 90)
        assert seen["labels"][APP_LABEL] == "labels"
        assert seen["labels"][INSTANCE_LABEL]


@pytest.mark.parametrize(
    ("network", "block", "allowed"),
    [("inherit", None, None), ("block", True, None), ("allow", False, None), ("allow-list", None, "10.0.0.0/8")],
)
async def test_the_network_is_as_it_was_set(
    cloud: Cloud, network: str, block: bool | None, allowed: str | None
) -> None:
    """``inherit`` sends no setting, since the lowest tiers refuse any."""
    with cloud.set_to(allow_network_settings=network != "inherit"):
        async with cloud.engine(app="network", network=network, network_allow_list=allowed) as engine:
            made = await engine.create()
            seen = cloud.sandboxes()[made.id]
    assert (seen["networkBlockAll"], seen["networkAllowList"]) == (block, allowed)


async def test_a_stopped_engine_leaves_nothing_behind(cloud: Cloud) -> None:
    """With leases in memory no other replica could use the sandboxes, so shutdown destroys them."""
    async with cloud.engine(warm_sandboxes=2, app="closing") as engine:
        await until_spares(engine, 2)
        await engine.create()
        await until_spares(engine, 2)
    assert cloud.of("closing") == set()


async def test_a_stop_in_the_middle_of_a_create_leaves_nothing_behind(cloud: Cloud) -> None:
    """At shutdown, sandboxes that are being created are awaited and deleted."""
    with cloud.set_to(warm_create_seconds=0.5):
        async with cloud.engine(warm_sandboxes=1, app="hasty"):
            await until(lambda: bool(cloud.of("hasty")))
    assert cloud.of("hasty") == set()


async def test_a_stopped_replica_leaves_its_sandboxes_to_the_others(cloud: Cloud) -> None:
    """Session sandboxes stay in the shared leases, spares in the shared pool."""
    stock = MemoryPool()
    shared: dict[str, Any] = {"app": "rolling", "has_shared_leases": True}
    async with cloud.engine(stock, warm_sandboxes=1, **shared) as engine:
        await until_spares(engine, 1)
        kept = await engine.create()
        (spare,) = await until_spares(engine, 1)
    assert cloud.of("rolling") == {kept.id, spare}
    async with cloud.engine(stock, **shared) as other:
        found = await other.find(kept.id)
        assert found is not None
        assert await output(found, bash("echo here")) == "here\n"
        assert (await other.create()).id == spare
        for name in (kept.id, spare):
            await other.destroy(name)


async def test_orphans_of_a_dead_replica_are_swept(cloud: Cloud) -> None:
    """The leader destroys what had no owner for long; leased, spare and claimed sandboxes stay."""
    stock = MemoryPool()
    clock = Clock()
    shared: dict[str, Any] = {"clock": clock, "app": "orphans", "has_shared_leases": True}
    async with cloud.engine(stock, **shared) as dead:
        leased, orphan, claimed, spare = [(await dead.create()).id for _ in range(4)]
    await stock.guard(claimed)
    await stock.fill(await stock.reserve(1, 60) or "", spare)
    async with cloud.engine(stock, **shared) as leader, cloud.engine(stock, **shared) as follower:
        for engine in (leader, follower):
            assert await engine.sweep({leased}, leads=engine is leader) == 0, "they may be on their way to a lease"
            clock.let_pass(13)
        assert await follower.sweep({leased}, leads=False) == 0
        assert orphan in cloud.of("orphans")
        assert await leader.sweep({leased}) == 1
        assert cloud.of("orphans") == {leased, claimed, spare}
        for name in (leased, claimed, spare):
            await leader.destroy(name)


async def test_what_becomes_somebodys_is_no_orphan(cloud: Cloud) -> None:
    """A session in use while Redis loses its data writes its lease again; then the orphan's age starts anew."""
    clock = Clock()
    shared: dict[str, Any] = {"clock": clock, "app": "regained", "has_shared_leases": True}
    async with cloud.engine(**shared) as maker, cloud.engine(**shared) as leader:
        sandbox = await maker.create()
        for leased in (set[str](), {sandbox.id}, set[str]()):
            assert await leader.sweep(leased) == 0
            clock.let_pass(13)
        assert await leader.sweep({sandbox.id}) == 0
        assert sandbox.id in cloud.of("regained")
        await maker.destroy(sandbox.id)


async def test_what_another_replica_is_making_is_no_orphan(cloud: Cloud) -> None:
    """A sandbox in creation has no lease yet, which may take as long as a build of an image."""
    clock = Clock()
    shared: dict[str, Any] = {"clock": clock, "app": "making", "has_shared_leases": True}
    async with cloud.engine(image="python:3.12", **shared) as maker, cloud.engine(image="x", **shared) as leader:
        with cloud.set_to(build_seconds=1.0, warm_create_seconds=1.0):
            making = asyncio.create_task(maker.create())
            await until(lambda: bool(cloud.of("making")))
            await leader.sweep(set())
            clock.let_pass(15)
            assert await leader.sweep(set()) == 0
            sandbox = await making
        assert await output(sandbox, bash("echo up")) == "up\n"
        await maker.destroy(sandbox.id)


async def test_a_sweep_leaves_other_deployments_alone(cloud: Cloud) -> None:
    """Sandboxes with another label, or with leases that are not visible here, are kept."""
    async with cloud.engine(app="mine") as other, cloud.engine(app="theirs", has_shared_leases=True) as third:
        theirs = {(await other.create()).id, (await third.create()).id}
        clock = Clock()
        async with cloud.engine(clock=clock, app="mine") as engine:
            await engine.sweep(set())
            clock.let_pass(30 * 24 * 60)
            assert await engine.sweep(set()) == 0
        assert theirs <= cloud.sandboxes().keys()
        await third.destroy(max(theirs, key=lambda name: name in cloud.of("theirs")))


async def test_a_sweep_leaves_spares_alone(cloud: Cloud) -> None:
    """Sandboxes of paused programs are kept for the whole wait."""
    clock = Clock()
    async with cloud.engine(clock=clock, warm_sandboxes=1, app="sparing") as engine:
        (spare,) = await until_spares(engine, 1)
        for _ in range(2):
            assert await engine.sweep(set()) == 0
            clock.let_pass(60)
        assert spare in cloud.sandboxes()


async def test_a_sweep_notices_what_was_lost(cloud: Cloud) -> None:
    """A spare that vanished is replaced."""
    async with cloud.engine(warm_sandboxes=1, app="vanishing") as engine:
        (spare,) = await until_spares(engine, 1)
        cloud.force(spare, "destroyed")
        await engine.sweep(set())
        await until(lambda: engine.stats().warm not in ({spare}, set()))


async def test_a_list_of_many_pages_is_swept_whole(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Daytona's lists have pages."""
    monkeypatch.setattr("librechat_code_interpreter.engines.daytona.client.PAGE_SIZE", 2)
    clock = Clock()
    async with cloud.engine(clock=clock, app="pages") as engine:
        for _ in range(5):
            await engine.create()
        await engine.sweep(set())
        clock.let_pass(13)
        assert await engine.sweep(set()) == 5


async def test_a_sandbox_near_its_end_is_not_used_any_more(cloud: Cloud) -> None:
    """A spare near its maximum age would be deleted in the middle of a run."""
    async with cloud.engine(app="ageing") as engine:
        sandbox = await engine.create()
        assert sandbox.expires_at - time.time() == pytest.approx(720 * 60, abs=60)
        sandbox.expires_at = time.time() + 500
        assert await engine.find(sandbox.id) is None
        await cloud.until_gone(sandbox.id)


async def test_a_sandbox_that_was_idle_for_long_is_looked_at_first(cloud: Cloud) -> None:
    """Daytona may have stopped the sandbox; one call checks, before a program is sent."""
    async with cloud.engine(app="idling") as engine:
        sandbox = await engine.create()
        sandbox.heard_at -= 55 * 60
        with cloud.counting() as calls:
            assert await engine.find(sandbox.id) is sandbox
            assert await engine.find(sandbox.id) is sandbox
        assert calls == ["GET /sandbox/{id}"]
        sandbox.heard_at -= 55 * 60
        cloud.force(sandbox.id, "stopped")
        assert await engine.find(sandbox.id) is None
        await cloud.until_gone(sandbox.id)


async def test_a_sandbox_of_another_version_of_the_service_gets_our_runner(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a rolling update both versions use the same sandboxes."""
    async with cloud.engine(app="update", has_shared_leases=True) as old:
        made = await old.create()
        monkeypatch.setattr(
            "librechat_code_interpreter.engines.daytona.archive.runner_name", lambda: "runner-of-a-newer-version.pyz"
        )
        async with cloud.engine(app="update", has_shared_leases=True) as new:
            found = await new.find(made.id)
            assert isinstance(found, DaytonaSandbox)
            assert await output(found, bash("ls /tmp/.librechat-code/*.pyz | wc -l")) == "2\n"
            await new.destroy(made.id)


@pytest.mark.parametrize("has_workspace", [True, False])
async def test_a_snapshot_may_lack_the_directories(cloud: Cloud, has_workspace: bool) -> None:
    """Missing directories are created as names of one directory, or the error is reported."""
    with cloud.set_to(workspace=has_workspace):
        async with cloud.engine(app="directories") as engine:
            sandbox = await engine.create()
            assert await output(sandbox, bash("echo x > /workspace/f; cat /mnt/data/f; cd; cat f")) == "x\nx\n"


async def test_a_snapshot_with_an_old_python_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox is deleted, and the health report contains the reason."""
    monkeypatch.setattr("librechat_code_interpreter.engines.daytona.archive.NEEDS_PYTHON", (3, 99))
    async with cloud.engine(app="old-python") as engine:
        with pytest.raises(EngineUnavailable, match=r"its python3 is 3\.\d+, too old"):
            await engine.create()
        assert "too old" in engine.warnings[0]
        await until(lambda: not cloud.of("old-python"))


async def test_a_snapshot_without_python_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell's output is logged, and not sent to the client."""
    monkeypatch.setattr("librechat_code_interpreter.engines.daytona.bootstrap.command", lambda _: "no-such-python3")
    async with cloud.engine(app="no-python") as engine:
        with pytest.raises(EngineUnavailable, match="cannot start python3"):
            await engine.create()
        await until(lambda: not cloud.of("no-python"))


async def test_a_program_cannot_look_into_the_runner(cloud: Cloud) -> None:
    """The nonce is in the runner's memory and on its stdin; programs of the same user can read neither."""
    source = """
import glob, os
def tried(path):
    try:
        return open(path, "rb").read(1)
    except OSError as error:
        return type(error).__name__
def tried_whole(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""
print({tried(f"/proc/{os.getppid()}/{name}") for name in ("environ", "mem", "fd/0", "fd/1")})
print([line for line in map(tried_whole, glob.glob("/proc/[0-9]*/cmdline")) if b"<<" in line])
"""
    async with cloud.engine(app="secrecy") as engine:
        assert await output(await engine.create(), python(source)) == "{'PermissionError'}\n[]\n"


async def test_a_wrong_key_stops_the_start(cloud: Cloud) -> None:
    """Only the operator can fix it."""
    with pytest.raises(EngineUnfit, match="DAYTONA_API_KEY"):
        async with cloud.engine(api_key="wrong"):
            pass


async def test_a_snapshot_that_is_not_there_stops_the_start(cloud: Cloud) -> None:
    """The message says how to create one."""
    with pytest.raises(EngineUnfit, match="snapshot build"):
        async with cloud.engine(snapshot="no-such-snapshot"):
            pass


async def test_an_outage_at_the_start_is_only_a_warning(cloud: Cloud) -> None:
    """Uploads and downloads need no sandbox; runs work again when Daytona does."""
    with cloud.fault("unavailable", path="^/api/"):
        async with cloud.engine(app="starting") as engine:
            assert "did not answer at the start" in engine.warnings[0]
            sandbox = await engine.create()
            assert engine.warnings == []
            assert await output(sandbox, bash("echo x")) == "x\n"
