"""Regression tests for attacks on the local engine, named by their former effect."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Pause, Reply
from tests.engine import processes
from tests.engine.asking import bash, paths, python, until, until_there
from tests.engine.conformance.pauses import answers, with_tools
from tests.engine.conftest import SETTINGS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(engine: LocalEngine) -> AsyncIterator[LocalSandbox]:
    """Make a sandbox for one test."""
    sandbox = await engine.create()
    yield sandbox
    await engine.destroy(sandbox.id)


@pytest.mark.skipif(
    not os.access("/sys/fs/cgroup/cpu", os.W_OK), reason="needs a control group that shares processor time out"
)
async def test_many_busy_processes_starved_the_neighbours(engine: LocalEngine, sandbox: LocalSandbox) -> None:
    """Processor time was shared by process; now every jail has a group of its own, of equal weight."""
    other = await engine.create()
    programs = [
        asyncio.create_task(place.exchange(bash(f"touch started; exec -a {name} sleep 1000", wall_seconds=20)))
        for place, name in ((sandbox, "canary-61"), (other, "canary-62"))
    ]
    groups = set()
    for place, name in ((sandbox, "canary-61"), (other, "canary-62")):
        await until_there(place, "started")

        async def there(name: str = name) -> bool:
            return processes.called(name, engine) is not None

        await until(there, "the program runs")
        pid = processes.called(name, engine)
        groups.add(_cpu_group(pid))
    for program in programs:
        program.cancel()
    await asyncio.gather(*programs, return_exceptions=True)
    await engine.destroy(other.id)
    assert len(groups) == 2
    assert all("/adapter-" in group for group in groups)


def _cpu_group(pid: int | None) -> str:
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(line for line in lines if "cpu" in line.split(":")[1].split(","))


@pytest.mark.parametrize(
    "make",
    ["os.truncate(os.open(f'{n}.bin', os.O_CREAT | os.O_RDWR), {size})", "os.link('0.bin', f'{n}.bin')"],
    ids=["sparse files", "hard links"],
)
async def test_holes_and_links_filled_the_store(sandbox: LocalSandbox, make: str) -> None:
    """A workspace of 16 MB delivered fifty files of 100 MB; now no more than it can contain."""
    size = SETTINGS.sandbox_workspace_bytes // 3
    source = f"import os\nsize = {size}\nopen('0.bin', 'wb').truncate(size)\nfor n in range(1, 9):\n    "
    reply = await sandbox.exchange(python(source + make.replace("{size}", "size")))
    assert (reply.ending, reply.stderr) == (Ending.OK, "")
    assert len(paths(reply)) == 3
    assert sum(item.size for item in reply.changed) <= SETTINGS.sandbox_workspace_bytes
    left_out = [item for item in reply.left_out if item.is_limit]
    assert len(left_out) == 6
    assert all("more space than the workspace has" in item.reason for item in left_out)


COMPUTING = """
import os, threading
def compute():
    while True:
        pass
if os.fork() == 0:
    os.setsid()
    compute()
threading.Thread(target=compute, daemon=True).start()
print(await get_weather(city="x"), flush=True)
os._exit(0)
"""


async def test_a_program_computed_for_ten_minutes_while_it_waited(engine: LocalEngine, sandbox: LocalSandbox) -> None:
    """A tool call gained uncounted computing time; now the program is stopped while it waits."""
    pause = await sandbox.begin(with_tools(python(COMPUTING)))
    assert isinstance(pause, Pause)

    async def is_stopped() -> bool:
        jailed = [pid for pid in processes.descendants(processes.outer_pid(engine)) if processes.depth(pid) == 3]
        return [state for pid in jailed for state in _thread_states(pid)].count("T") == 3

    await until(is_stopped, "its two threads and the process that it forked stand still")
    reply = await sandbox.resume(answers(pause, "rain"))
    assert isinstance(reply, Reply)
    assert (reply.ending, reply.stdout) == (Ending.OK, "rain\n")


def _thread_states(pid: int) -> list[str]:
    try:
        return [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return []
