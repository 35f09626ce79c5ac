"""What a jail that waits does with its time: it copies the memory that its run would have to copy."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import pytest

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox, kind_for
from librechat_code_interpreter.engines.local.zygote_client import Kind
from librechat_code_interpreter.runner.messages import Limits, Pause, Program, Request, Tool
from tests.engine.asking import output, python, until
from tests.engine.conformance.pauses import with_tools
from tests.engine.conftest import SETTINGS
from tests.runtime import RUNTIME_PYTHON

pytestmark = pytest.mark.asyncio(loop_scope="session")

_LEARN = """
import gc, json, os, signal
from librechat_code_interpreter.engines.local.inside import pages
from librechat_code_interpreter.runner import warm_python

def of(ranges):
    return {page for start, size in zip(ranges[::2], ranges[1::2]) for page in range(start, start + size, 4096)}

def own_pages_after(work):
    reading, writing = os.pipe()
    if os.fork() == 0:
        work()
        with os.fdopen(writing, "w") as told:
            json.dump(pages.written(), told)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        return set(json.load(told))

warm_python.get_ready()
gc.collect()
gc.freeze()
"""


async def _learn(code: str) -> Any:
    command = [str(RUNTIME_PYTHON), "-c", _LEARN + code]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    assert done.stderr == b"", "it would stand in the log at each start"
    return json.loads(done.stdout)


async def test_most_of_what_a_run_writes_to_was_learnt() -> None:
    """The pages of two rehearsed runs are the same but for a tenth: what one wrote to, the next will write to."""
    code = """
first, second = pages.learn("print(2 + 2)"), pages.learn("print(2 + 2)")
print(json.dumps([
    [len(of(one)), len(of(one) & of(other))]
    for one, other in ((first.runner_ranges, second.runner_ranges), (first.program_ranges, second.program_ranges))
]))
"""
    for learnt, again in await _learn(code):
        assert learnt > 100
        assert again > 0.9 * learnt


async def test_pages_copied_ahead_are_the_forks_own() -> None:
    """After the copying the kernel says of every learnt page that no other process has it; before, of few."""
    code = """
learnt = pages.learn("print(2 + 2)")
expected, (nothing, _) = of(learnt.program_ranges), os.pipe()
before = own_pages_after(lambda: None) & expected
after = own_pages_after(lambda: learnt.program(nothing)) & expected
print(json.dumps([len(expected), len(before), len(after)]))
"""
    expected, before, after = await _learn(code)
    assert after == expected
    assert before < 0.5 * expected


async def test_a_request_ends_the_copying() -> None:
    """Who is asked to run something does not copy first what it may never need."""
    code = """
learnt = pages.learn("print(2 + 2)")
asked, ask = os.pipe()
os.write(ask, b"!")
expected = of(learnt.program_ranges)
before = own_pages_after(lambda: None) & expected
after = own_pages_after(lambda: learnt.program(asked)) & expected
print(json.dumps([len(expected), len(after - before)]))
"""
    expected, more = await _learn(code)
    assert more < 0.5 * expected


async def test_a_program_that_fails_teaches_nothing() -> None:
    """A rehearsal that goes wrong costs the start nothing but what could have been learnt."""
    assert await _learn("print(len(pages.learn('raise SystemExit').program_ranges))") == 0


async def test_what_libraries_left_in_memory_is_let_go_and_found_again() -> None:
    """The memory of files shrinks, and everything works as before: what is needed is read from the file again."""
    code = """
import hashlib, ssl, sqlite3
def resident():
    return sum(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith(("Rss:", "Anon")))
before = resident()
pages.let_go()
after = resident()
works = sqlite3.connect(":memory:").execute("select 40 + 2").fetchone()[0]
print(json.dumps([before, after, works, hashlib.sha256(b"").hexdigest()[:4]]))
"""
    before, after, works, digest = await _learn(code)
    assert (works, digest) == (42, "e3b0")
    assert after < 0.8 * before


async def test_the_next_spare_has_time_when_all_is_quiet(engine: LocalEngine) -> None:
    """Spares are told by themselves once nothing is taken or made, and not while each processor has a run."""
    pool = engine.jails.pool
    assert pool is not None

    async def has_time() -> bool:
        return any(spare.has_time for spare in pool.waiting("bare")[:1])

    await until(has_time, "the next spare has time")
    pool.waiting("bare")[0].has_time = False
    engine.jails.running += 1000
    pool.give_time()
    assert not await has_time()
    engine.jails.running -= 1000
    pool.give_time()
    assert await has_time()


async def test_a_run_may_come_while_its_jail_uses_its_time(engine: LocalEngine) -> None:
    """Whether the jail copies, has copied, or was told twice: the run is the same."""
    pool = engine.jails.pool
    assert pool is not None
    cases: tuple[tuple[Kind, str], ...] = (("bare", "print(2 + 2)"), ("loaded", "import numpy; print(2 + 2)"))
    for kind, source in cases:

        async def is_there(kind: Kind = kind) -> bool:
            return bool(pool.waiting(kind))

        await until(is_there, f"a spare of the {kind} kind")
        for spare in pool.waiting(kind):
            spare.has_time = False
            spare.use_time()
        sandbox = await engine.create()
        try:
            assert await output(sandbox, python(source)) == "4\n"
        finally:
            await engine.destroy(sandbox.id)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import json, re", "bare"),
        ("import numpy as np", "loaded"),
        ("import json, asyncio", "loaded"),
        ("from asyncio import run", "loaded"),
        ("x = 'import asyncio'", "bare"),
    ],
)
async def test_who_needs_asyncio_gets_it_from_the_loaded_kind(source: str, kind: str) -> None:
    """The bare kind is small, since each fork pays for its memory; what takes long to import is in the other."""
    assert kind_for(python(source)) == kind


async def test_programs_have_tools_where_nothing_is_preloaded() -> None:
    """With one kind alone, that one has what tools need."""
    engine = LocalEngine(SETTINGS.model_copy(update={"sandbox_preload": "none"}))
    await engine.open()
    try:
        sandbox = await engine.create()
        request = with_tools(python("print(await get_weather(city='Rome'))"))
        pause = await sandbox.begin(request)
        assert isinstance(pause, Pause), pause
        assert len(pause.calls) == 1
    finally:
        await engine.close()


async def test_programs_with_tools_are_of_the_loaded_kind(sandbox: LocalSandbox) -> None:
    """Their calls need asyncio; and the bare kind has none."""
    program = Program("await look()", "main.py", "warm")
    assert kind_for(Request(program, Limits(), tools=[Tool("look", "look", "", {})])) == "loaded"
    assert await output(sandbox, python("import sys; print('asyncio' in sys.modules)")) == "False\n"
