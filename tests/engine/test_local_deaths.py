"""Processes of the local engine die, and the engine keeps working."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.engines.local import selftest
from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.isolate import start_isolated
from librechat_code_interpreter.engines.local.jail_pool import Jail
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.engines.local.zygote_client import Kind
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Reply
from tests.engine import processes, services
from tests.engine.asking import bash, content, output, put, python, until, until_there
from tests.engine.conftest import SETTINGS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(engine: LocalEngine) -> AsyncIterator[LocalSandbox]:
    """Make a sandbox for one test."""
    sandbox = await engine.create()
    yield sandbox
    await engine.destroy(sandbox.id)


async def until_dead(*pids: int) -> None:
    """Wait until none of these processes lives."""

    async def dead() -> bool:
        return not any(processes.is_alive(pid) for pid in pids)

    await until(dead, f"the end of {pids}")


async def running(engine: LocalEngine, sandbox: LocalSandbox, name: str) -> tuple[asyncio.Task[Reply], int]:
    """Start a program of this name that never ends; give its run, and its process as the host sees it."""
    run = asyncio.create_task(sandbox.exchange(bash(f"touch started; exec -a {name} sleep 1000")))
    await until_there(sandbox, "started")
    return run, await called(engine, name)


async def called(engine: LocalEngine, name: str) -> int:
    """Wait for a program of this name; give its process as the host sees it."""

    async def there() -> bool:
        return processes.called(name, engine) is not None

    await until(there, "the program runs")
    pid = processes.called(name, engine)
    assert pid is not None
    return pid


async def test_a_jail_that_dies_is_a_lost_run(engine: LocalEngine, sandbox: LocalSandbox) -> None:
    """If the first process of a jail is killed from outside, the run is LOST, and none of its processes remain."""
    run, pid = await running(engine, sandbox, "canary-41")
    jail = processes.parent(pid)
    assert processes.depth(jail) == 3
    processes.kill(jail)
    reply = await run
    assert (reply.ending, reply.signal, reply.stdout) == (Ending.LOST, "SIGKILL", "")
    await until_dead(pid)
    assert await output(sandbox, bash("ls")) == "started\n"


async def test_a_runner_that_hangs_is_a_lost_run(
    engine: LocalEngine, sandbox: LocalSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the runner does not enforce the time limit, the engine ends the run."""
    monkeypatch.setattr("librechat_code_interpreter.engines.local.sandbox.GRACE_SECONDS", 0.2)
    run = asyncio.create_task(sandbox.exchange(bash("touch started; exec -a canary-44 sleep 1000", wall_seconds=1.0)))
    await until_there(sandbox, "started")
    pid = await called(engine, "canary-44")
    jail = processes.parent(pid)
    os.kill(jail, signal.SIGSTOP)
    reply = await run
    assert (reply.ending, reply.signal) == (Ending.LOST, "SIGKILL")
    await until_dead(jail, pid)


async def test_a_program_that_is_killed_from_outside_is_not_lost(engine: LocalEngine, sandbox: LocalSandbox) -> None:
    """A program killed from outside ended by a signal like any other."""
    run, pid = await running(engine, sandbox, "canary-42")
    processes.kill(pid)
    reply = await run
    assert (reply.ending, reply.signal) == (Ending.SIGNAL, "SIGKILL")


async def test_the_engine_outlives_its_zygotes(engine: LocalEngine) -> None:
    """Killed from outside, zygotes are restarted for the next sandbox; their old sandboxes are gone."""
    lost, idle = await engine.create(), await engine.create()
    await put(idle, old=b"x")
    run, pid = await running(engine, lost, "canary-43")
    processes.kill(processes.outer_pid(engine))
    assert (await run).ending == Ending.LOST
    await until(_has_noticed(engine), "the engine hears of it")  # before that a sandbox may still be of the dead ones
    successor = await engine.create()
    await until_dead(pid)
    await put(successor, secret=b"secret")
    assert await engine.find(idle.id) is None
    for gone in (lost, idle):
        with pytest.raises(EngineUnavailable):
            await gone.exchange(bash("ls; touch trace"))
        with pytest.raises((OSError, EngineUnavailable)):
            await content(gone, "secret")
    assert await output(successor, bash("ls")) == "secret\n"
    await engine.destroy(successor.id)
    await _with_one_retry(engine)


def _has_noticed(engine: LocalEngine) -> Callable[[], Awaitable[bool]]:
    async def noticed() -> bool:
        return engine.stats().zygote_pid is None

    return noticed


def _has_full_pool(engine: LocalEngine) -> Callable[[], Awaitable[bool]]:
    async def is_full() -> bool:
        return engine.stats().is_pool_full

    return is_full


@pytest.mark.parametrize("kind", [0, 1], ids=["bare", "loaded"])
async def test_the_engine_outlives_each_zygote(engine: LocalEngine, kind: int) -> None:
    """One of the two may die alone, by the OOM killer for instance; both kinds of runs work again."""
    await _with_one_retry(engine)
    victim = processes.zygotes(engine)[kind]
    # with the bare one everybody dies, a jail perhaps a moment later, when it has begun a run
    dying = processes.descendants(processes.outer_pid(engine)) if kind == 0 else {victim}
    processes.kill(victim)
    await until_dead(*dying)
    await _with_one_retry(engine)


async def _with_one_retry(engine: LocalEngine) -> None:
    """Run as the core does: a sandbox that is dead before the program started is replaced, once in each run."""
    for request in (python("print(1)"), python("import numpy; print(1)"), bash("echo 1")):
        for attempt in (1, 2):
            try:
                sandbox = await engine.create()
                assert await output(sandbox, request) == "1\n"
                break
            except EngineUnavailable:
                assert attempt == 1


async def test_a_new_sandbox_ended_with_the_zygotes_that_it_never_used(engine: LocalEngine) -> None:
    """A sandbox whose first run finds the zygotes dead used to be destroyed by their restart, and the run refused."""
    await _with_one_retry(engine)
    sandbox = await engine.create()
    outer = processes.outer_pid(engine)
    dying = processes.descendants(outer)
    processes.kill(outer)
    await until_dead(*dying)
    assert await output(sandbox, python("print(1)")) == "1\n"
    await engine.destroy(sandbox.id)


async def test_a_sandbox_closed_while_its_jail_was_made(
    engine: LocalEngine, sandbox: LocalSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jail used to get the number of a descriptor that was closed, or another sandbox's by then."""
    await put(sandbox, file=b"x")
    taken: list[Jail] = []

    async def take_jail(kind: Kind) -> Jail:
        taken.append(await taking(kind))
        await engine.destroy(sandbox.id)
        return taken[0]

    taking = engine.jails.take
    monkeypatch.setattr(engine.jails, "take", take_jail)
    with pytest.raises(EngineUnavailable, match="destroyed"):
        await sandbox.exchange(bash("ls"))
    await until_dead(taken[0].pid)


async def test_a_spare_jail_that_died_was_handed_out(engine: LocalEngine) -> None:
    """A run used to lose its first attempt to each warm jail that was killed while it waited."""
    await _with_one_retry(engine)
    await until(_has_full_pool(engine), "the pool is full")
    spares = [pid for pid in processes.descendants(processes.outer_pid(engine)) if processes.depth(pid) == 3]
    assert spares
    for pid in spares:
        with contextlib.suppress(ProcessLookupError):  # it died with the first process of its jail
            processes.kill(pid)
    await until_dead(*spares)
    for request in (python("print(1)"), python("import numpy; print(1)"), bash("echo 1")):
        assert await output(await engine.create(), request) == "1\n"


async def test_a_death_that_the_loop_has_not_heard_of() -> None:
    """Zygotes whose process was reaped before anybody was told can still be stopped."""
    zygotes = await start_isolated(SETTINGS.model_copy(update={"sandbox_preload": "none"}), has_memory_cgroup=False)
    outer = zygotes.pid
    assert outer is not None
    processes.kill(outer)
    with contextlib.suppress(ChildProcessError):  # the loop's own watcher was first
        os.waitpid(outer, 0)  # noqa: ASYNC222  the loop must hear nothing meanwhile
    await zygotes.stop()
    assert not zygotes.is_alive


async def test_right_after_the_death_runs_work(engine: LocalEngine) -> None:
    """A run succeeds before the death was noticed: the core's one retry is enough."""
    await _with_one_retry(engine)
    outer = processes.outer_pid(engine)
    everybody = [outer, *processes.descendants(outer)]  # a jail that dies a moment later may have begun a run
    processes.kill(outer)
    await until_dead(*everybody)
    await _with_one_retry(engine)


async def test_a_canary_that_dies_with_its_zygote_is_no_escape(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zygote that was killed during the self-test used to make the service refuse all runs."""
    await _with_one_retry(engine)
    tried = selftest.escapes
    deaths = iter([processes.outer_pid(engine)])

    async def killed(sandbox: LocalSandbox) -> list[str]:
        for outer in deaths:
            _, pid = await running(engine, sandbox, "canary-45")
            processes.kill(outer)
            await until_dead(pid)
            raise selftest.Lost
        return await tried(sandbox)

    monkeypatch.setattr(selftest, "escapes", killed)
    with contextlib.suppress(EngineUnavailable):  # a jail that waited died too; the next clean-up looks again
        await engine.sweep(set())
    await _with_one_retry(engine)


async def test_a_sandbox_whose_lease_was_lost_is_not_kept_for_ever(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Redis lost its data, sandboxes without a lease were never destroyed."""
    lost, leased = await engine.create(), await engine.create()
    assert await engine.sweep({leased.id}) == 0
    monkeypatch.setattr("librechat_code_interpreter.engines.local.engine.ORPHAN_SECONDS", 0.0)
    assert await engine.sweep({leased.id}) >= 1
    assert await engine.find(lost.id) is None
    assert await engine.find(leased.id) is leased
    await engine.destroy(leased.id)


async def test_nothing_outlives_the_service() -> None:
    """When the service is killed with a run under way, bubblewrap, zygotes, jails and programs end as well."""
    service = services.start("""
        import asyncio
        from librechat_code_interpreter.engines.local.engine import LocalEngine
        from tests.engine.asking import bash, until_there
        from tests.engine.conftest import SETTINGS

        async def main():
            engine = LocalEngine(SETTINGS)
            await engine.open()
            sandbox = await engine.create()
            run = asyncio.create_task(sandbox.exchange(bash("touch started; setsid sleep 1000 & exec sleep 1000")))
            await until_there(sandbox, "started")
            print("running", flush=True)
            await run

        asyncio.run(main())
    """)
    left = processes.descendants(service.pid)
    assert len(left) >= 4
    services.kill(service)
    await until_dead(*left)


async def test_a_module_that_cannot_be_preloaded_is_nobodys_error() -> None:
    """If an import of the preload fails, programs run, and sandboxes live on from one run to the next."""
    engine = LocalEngine(SETTINGS.model_copy(update={"sandbox_preload": ".numpy,no_such_module,numpy"}))
    await engine.open()
    try:
        sandbox = await engine.create()
        for _ in range(3):
            assert await output(sandbox, python("import numpy; print(numpy.arange(4).sum())")) == "6\n"
            assert await engine.find(sandbox.id) is not None
    finally:
        await engine.close()
