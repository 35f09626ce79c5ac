"""Behaviour on machines that offer less than full isolation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.languages import find_language
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.engines.local import isolate, selftest
from librechat_code_interpreter.engines.local.config import Isolation, LocalSettings
from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.engine_config import EngineConfig
from librechat_code_interpreter.engines.local.engine_config import prepare as prepare_for
from librechat_code_interpreter.engines.local.inside import landlock
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Limits, Reply, Request
from tests.engine.conftest import SETTINGS

Run = Callable[[str, str], Awaitable[Reply]]
WITHOUT_PRELOAD = SETTINGS.model_copy(update={"sandbox_preload": "none", "sandbox_standby": 0, "sandbox_uid": 64998})
"""With a uid of its own: without control groups, the limit of processes counts all of the uid on the machine, and other
tests run programs at the same time."""


@pytest.fixture
def offers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Isolation], None]:
    """Limit this machine's isolation to a level."""
    levels: tuple[Isolation, ...] = ("full", "degraded", "none")

    def limit(best: Isolation) -> None:
        def prepare(
            settings: LocalSettings, level: Isolation, home: Path | None, *, has_memory_cgroup: bool
        ) -> EngineConfig:
            if levels.index(level) < levels.index(best):
                raise EngineUnfit(f"{level} isolation is not to be had (test)")
            return prepare_for(settings, level, home, has_memory_cgroup=has_memory_cgroup)

        monkeypatch.setattr(isolate, "prepare", prepare)

    return limit


@asynccontextmanager
async def opened(minimum: Isolation) -> AsyncIterator[LocalEngine]:
    """Open an engine that accepts a level, and close it."""
    engine = LocalEngine(WITHOUT_PRELOAD.model_copy(update={"sandbox_min_isolation": minimum}))
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def is_there(path: Path | str) -> bool:
    """Return whether a path of the host exists."""
    return Path(path).exists()


async def run(sandbox: LocalSandbox, lang: str, source: str, seconds: float = 60) -> Reply:
    """Run a program in a sandbox."""
    language = find_language(lang)
    assert language is not None
    return await sandbox.exchange(Request(language.program(source, []), Limits(wall_seconds=seconds)))


async def test_the_best_level_is_used_whatever_less_is_accepted() -> None:
    """Accepting less does not weaken a machine that offers all: isolation stays full, without a warning."""
    async with opened("none") as engine:
        assert engine.isolation == "full"
        assert engine.warnings == []


async def test_less_than_accepted_is_refused(offers: Callable[[Isolation], None]) -> None:
    """A machine below the accepted level stops the start, with the reason why full isolation is unavailable."""
    offers("degraded")
    with pytest.raises(EngineUnfit, match="full isolation is not to be had"):
        async with opened("full"):
            pass


@pytest.mark.parametrize("level", ["degraded", "none"])
async def test_programs_run_where_less_was_accepted(level: Isolation, offers: Callable[[Isolation], None]) -> None:
    """At both lower levels programs run, make files, time out and leave nothing running; the operator is warned."""
    offers(level)
    async with opened(level) as engine:
        assert engine.isolation == level
        assert level in engine.warnings[0]
        sandbox = await engine.create()
        home = Path(sandbox.paths.workspace)
        reply = await run(sandbox, "py", "open('a.txt', 'w').write('x'); print(6*7)")
        assert (reply.stdout, [item.path for item in reply.changed]) == ("42\n", ["a.txt"])
        assert (await run(sandbox, "bash", "cat a.txt; sleep 600 & echo $TMPDIR > $TMPDIR/t")).stdout == "x"
        assert (await run(sandbox, "py", "while True: pass", 1)).ending is Ending.TIME
        assert not is_there(sandbox.paths.scratch)
        await engine.destroy(sandbox.id)
        assert not is_there(home)
    assert not is_there(home.parent)


async def test_degraded_keeps_programs_from_the_machines_files(offers: Callable[[Isolation], None]) -> None:
    """Landlock: no writing outside the sandbox's own directories, no other sandbox's files, no network."""
    assert landlock.version() > 0, "this kernel has no Landlock"
    offers("degraded")
    async with opened("degraded") as engine:
        mine, other = await engine.create(), await engine.create()
        await run(other, "bash", "echo secret > s")
        source = f"cat {other.paths.workspace}/s; touch /tmp/escaped; ls {Path(mine.paths.workspace).parent}; ls /root"
        reply = await run(mine, "bash", source)
        assert (reply.stdout, reply.stderr.count("Permission denied")) == ("", 4)
        reply = await run(mine, "py", "import socket\ntry: socket.socket()\nexcept OSError as e: print('refused')")
        assert reply.stdout == "refused\n"


async def test_a_canary_that_gets_out_stops_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the self-test finds an escape, the engine does not open; later, it makes no more sandboxes."""

    async def got_out(_: LocalSandbox) -> list[str]:
        return ["/etc/shadow can be read"]

    async def contained(_: LocalSandbox) -> list[str]:
        return []

    async with opened("full") as engine:
        monkeypatch.setattr(selftest, "escapes", got_out)
        await engine.sweep(set())
        with pytest.raises(EngineUnavailable, match="no longer contained"):
            await engine.create()
        monkeypatch.setattr(selftest, "escapes", contained)
        await engine.sweep(set())
        assert (await engine.create()).id
    monkeypatch.setattr(selftest, "escapes", got_out)
    with pytest.raises(EngineUnfit, match="/etc/shadow"):
        async with opened("full"):
            pass
