"""The local engine frees all resources, whenever and however a caller leaves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from tests.engine import processes, services
from tests.engine.asking import bash, content, file, output, put, python, until, works
from tests.engine.conftest import SETTINGS

pytestmark = pytest.mark.asyncio(loop_scope="session")

CANCEL_AT_STEPS = 40


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(engine: LocalEngine) -> AsyncIterator[LocalSandbox]:
    """Make a sandbox for one test."""
    sandbox = await engine.create()
    yield sandbox
    await engine.destroy(sandbox.id)


async def _is_as_before(engine: LocalEngine, before: tuple[list[str], int, int]) -> bool:
    """Find growth; descriptors may be fewer, since other tests' clients end in this process too."""
    (descriptors, *counts), (known, *counted) = _holdings(engine), before
    return not Counter(descriptors) - Counter(known) and counts == counted


def _holdings(engine: LocalEngine) -> tuple[list[str], int, int]:
    """Return what the engine uses: this process's descriptors, processes, control groups except of warm jails."""
    below = processes.descendants(processes.outer_pid(engine))
    return processes.descriptors(), len(below), engine.stats().control_groups


async def _settled(engine: LocalEngine) -> tuple[list[str], int, int]:
    """Wait until the warm jails are complete, and return the resources then."""
    await works(engine)
    seen: list[tuple[list[str], int, int]] = []

    async def unchanged() -> bool:
        seen.append(_holdings(engine))
        return len(seen) > 20 and all(state == seen[-1] for state in seen[-20:])

    await until(unchanged, "the engine comes to rest")
    return seen[-1]


async def test_runs_leave_nothing(engine: LocalEngine) -> None:
    """After many sandboxes and runs, of every ending, the engine uses what it used before."""
    before = await _settled(engine)
    for _ in range(5):
        sandbox = await engine.create()
        await put(sandbox, file=b"x" * 2_000_000)
        await content(sandbox, "file")
        for source in ("true", "exit 1", "kill -9 $$", "setsid sleep 1000 & true"):
            await sandbox.exchange(bash(source))
        await sandbox.exchange(python("import numpy"))
        await engine.destroy(sandbox.id)
    await until(lambda: _is_as_before(engine, before), "all is given back")


async def test_runs_cancelled_at_any_step_leave_nothing(engine: LocalEngine) -> None:
    """A client that leaves at any moment of a run, from the first step to the answer, leaks nothing."""
    before = await _settled(engine)
    for step in range(CANCEL_AT_STEPS):
        sandbox = await engine.create()
        run = asyncio.create_task(sandbox.exchange(python("import numpy; print(1)" if step % 2 else "print(1)")))
        for _ in range(step):
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await engine.destroy(sandbox.id)
        assert not run.done() or run.cancelled() or run.exception() is None
    await works(engine)
    await until(lambda: _is_as_before(engine, before), "all is given back")


async def test_a_creation_cancelled_at_any_step_harms_nobody(engine: LocalEngine) -> None:
    """The answer to a cancelled request never reaches the next request."""
    before = await _settled(engine)
    for step in range(0, CANCEL_AT_STEPS, 2):
        creation = asyncio.create_task(engine.create())
        for _ in range(step):
            await asyncio.sleep(0)
        creation.cancel()
        (made,) = await asyncio.gather(creation, return_exceptions=True)
        sandbox = await engine.create()
        assert await output(sandbox, bash("echo ok")) == "ok\n"
        await engine.destroy(sandbox.id)
        if isinstance(made, LocalSandbox):
            await engine.destroy(made.id)
    await works(engine)
    await until(lambda: _is_as_before(engine, before), "all is given back")


async def test_a_put_cancelled_at_any_step_harms_nobody(engine: LocalEngine, sandbox: LocalSandbox) -> None:
    """Bytes of an aborted upload never land in another file."""
    await put(sandbox, first=b"")
    before = await _settled(engine)
    for step in range(0, 4 * CANCEL_AT_STEPS, 4):
        upload = asyncio.create_task(sandbox.put([file("large", b"x" * 3_000_000)]))
        for _ in range(step):
            await asyncio.sleep(0)
        upload.cancel()
        await asyncio.gather(upload, return_exceptions=True)
        await put(sandbox, **{f"other-{number}": b"other" for number in range(3)})
        for number in range(3):
            assert await content(sandbox, f"other-{number}") == b"other"
    await until(lambda: _is_as_before(engine, before), "all is given back")


async def test_two_engines_do_not_get_in_each_others_way(engine: LocalEngine) -> None:
    """A second engine in the same process runs, and closing it removes only its own resources."""
    before = await _settled(engine)
    second = LocalEngine(SETTINGS.model_copy(update={"sandbox_preload": "none"}))
    await second.open()
    sandbox = await second.create()
    for _ in range(3):
        assert await output(sandbox, bash("echo ok")) == "ok\n"
        await works(engine)
    pid = processes.outer_pid(second)
    await second.close()
    assert not processes.is_alive(pid)
    await works(engine)
    await until(lambda: _is_as_before(engine, before), "all is given back")


async def test_control_groups_of_a_killed_service_are_no_obstacle() -> None:
    """Process ids are reused; a service that finds control groups of a dead one with its number still works."""
    service = services.start("""
        import asyncio
        from librechat_code_interpreter.engines.local import cgroups
        from librechat_code_interpreter.engines.local.engine import LocalEngine
        from tests.engine.asking import output, bash
        from tests.engine.conftest import SETTINGS

        async def main():
            print("running", flush=True)
            left = cgroups.open_cgroups()
            for _ in range(5 if left else 0):
                left.make(64 << 20, 8)
            engine = LocalEngine(SETTINGS.model_copy(update={"sandbox_preload": "none"}))
            await engine.open()
            sandbox = await engine.create()
            for _ in range(3):
                print(await output(sandbox, bash("echo ok")), end="")
            await engine.close()
            if left:
                left.close()

        asyncio.run(main())
    """)
    assert services.rest(service) == "ok\n" * 3
