"""A sandbox is made, found, destroyed, and never mistaken for another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.protocols import Engine, Sandbox, Staged
from tests.engine.asking import bash, content, file, output, put
from tests.engine.conformance.base import GONE, Base, MiB


class Life(Base):
    """A sandbox is made, found, destroyed, and never mistaken for another."""

    async def test_a_new_sandbox_is_empty_and_has_its_own_name(self, sandbox: Sandbox, other: Sandbox) -> None:
        """No two sandboxes share an id, and nothing lies in a fresh workspace."""
        assert sandbox.id != other.id
        assert await output(sandbox, bash("ls -A")) == ""

    async def test_a_sandbox_is_found_until_it_is_destroyed(self, engine: Engine) -> None:
        """``find`` gives a live sandbox with its files, and nothing for one that is gone or never was."""
        sandbox = await engine.create()
        await put(sandbox, kept=b"kept")
        found = await engine.find(sandbox.id)
        assert found is not None
        assert found.id == sandbox.id
        assert await output(found, bash("cat kept")) == "kept"
        await engine.destroy(sandbox.id)
        assert await engine.find(sandbox.id) is None
        assert await engine.find("no-such-sandbox") is None

    async def test_destroying_what_is_gone_is_fine(self, engine: Engine) -> None:
        """``destroy`` may be repeated, and may name what never was."""
        sandbox = await engine.create()
        for sandbox_id in (sandbox.id, sandbox.id, "no-such-sandbox"):
            await engine.destroy(sandbox_id)

    async def test_a_destroyed_sandbox_runs_nothing(self, engine: Engine) -> None:
        """A destroyed sandbox raises an error before anything runs."""
        sandbox = await engine.create()
        await engine.destroy(sandbox.id)
        with pytest.raises(EngineUnavailable):
            await sandbox.exchange(bash("true"))

    async def test_a_destroyed_sandbox_takes_and_gives_nothing(self, engine: Engine) -> None:
        """``put`` reports the absent sandbox, not unfit files; ``get`` fails."""
        sandbox = await engine.create()
        await put(sandbox, there=b"x")
        await engine.destroy(sandbox.id)
        with pytest.raises(EngineUnavailable):
            await sandbox.put([file("a")])
        with pytest.raises(GONE):
            await content(sandbox, "there")

    async def test_a_destroyed_sandbox_never_becomes_another(self, engine: Engine) -> None:
        """A handle of a destroyed sandbox does not reach the one that was made after it."""
        held = await engine.create()
        await engine.destroy(held.id)
        successors = [await engine.create() for _ in range(3)]
        for successor in successors:
            await put(successor, secret=b"secret")
        with pytest.raises(GONE):
            await content(held, "secret")
        with pytest.raises(EngineUnavailable):
            await held.exchange(bash("touch trace"))
        with pytest.raises(EngineUnavailable):
            await held.put([file("trace")])
        await engine.destroy(held.id)
        for successor in successors:
            assert await output(successor, bash("ls")) == "secret\n"
            await engine.destroy(successor.id)

    async def test_a_sandbox_destroyed_during_its_run_reaches_no_other(self, engine: Engine) -> None:
        """A run during the destruction of its sandbox, at any moment, ends there or does not start."""
        for moment in range(6):
            held = await engine.create()
            running = asyncio.create_task(held.exchange(bash("ls -A; touch trace; sleep 0.2")))
            for _ in range(moment):
                await asyncio.sleep(0)
            await engine.destroy(held.id)
            successors = [await engine.create() for _ in range(3)]
            for successor in successors:
                await put(successor, secret=b"secret")
            (outcome,) = await asyncio.gather(running, return_exceptions=True)
            if isinstance(outcome, BaseException):
                assert isinstance(outcome, EngineUnavailable), outcome
            else:
                assert "secret" not in outcome.stdout
            for successor in successors:
                assert await output(successor, bash("ls")) == "secret\n"
                await engine.destroy(successor.id)

    @pytest.mark.parametrize("size", [100, 3 * MiB], ids=["small", "large"])
    async def test_a_sandbox_destroyed_while_it_is_filled_reaches_no_other(self, engine: Engine, size: int) -> None:
        """Files whose bytes arrive after the end of their sandbox land in no newer one."""
        asked, go = asyncio.Event(), asyncio.Event()

        async def read() -> AsyncIterator[bytes]:
            asked.set()
            await go.wait()
            yield b"x" * size

        held = await engine.create()
        filling = asyncio.create_task(held.put([Staged("late", size, read), file("after")]))
        await asked.wait()
        await engine.destroy(held.id)
        successors = [await engine.create() for _ in range(3)]
        go.set()
        (outcome,) = await asyncio.gather(filling, return_exceptions=True)
        assert isinstance(outcome, (EngineUnavailable, dict)), outcome
        for successor in successors:
            assert await output(successor, bash("ls -A")) == ""
            await engine.destroy(successor.id)

    @pytest.mark.parametrize("chunks_before", [0, 1])
    async def test_a_sandbox_destroyed_while_it_is_read_shows_no_other(
        self, engine: Engine, chunks_before: int
    ) -> None:
        """A download in progress continues with the same file or fails; it never returns another sandbox's bytes."""
        held = await engine.create()
        await put(held, same=b"a" * 3 * MiB)
        chunks = held.get("same").__aiter__()
        for _ in range(chunks_before):
            assert set(await anext(chunks)) == set(b"a")
        await engine.destroy(held.id)
        successors = [await engine.create() for _ in range(3)]
        for successor in successors:
            await put(successor, same=b"b" * 3 * MiB)
        try:
            async for chunk in chunks:
                assert set(chunk) == set(b"a")
        except GONE:
            pass
        for successor in successors:
            await engine.destroy(successor.id)

    async def test_a_sweep_leaves_what_is_leased(self, engine: Engine, sandbox: Sandbox) -> None:
        """A sweep destroys orphans only."""
        await engine.sweep({sandbox.id})
        assert await output(sandbox, bash("echo alive")) == "alive\n"

    async def test_an_engine_names_itself(self, engine: Engine) -> None:
        """A health report has a name and a list of warnings."""
        assert engine.name
        assert all(isinstance(warning, str) for warning in engine.warnings)
