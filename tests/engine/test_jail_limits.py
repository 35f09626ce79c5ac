"""Resource limits of a program."""

from __future__ import annotations

import asyncio

import pytest

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import answer, bash, output, python, until_there
from tests.engine.conftest import SETTINGS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    "start",
    ["os.fork() or signal.pause()", "threading.Thread(target=signal.pause, daemon=True).start()"],
    ids=["processes", "threads"],
)
async def test_processes_and_threads_are_bounded(sandbox: LocalSandbox, start: str) -> None:
    """At the limit the next process fails, in the program, and the run continues; the next run has its full number."""
    source = f"""
import os, signal, threading
made = 0
try:
    for made in range(10 * {SETTINGS.sandbox_processes}):
        {start}
except (OSError, RuntimeError):
    pass
print(made)
"""
    for _ in range(2):
        made = int(await output(sandbox, python(source)))
        assert SETTINGS.sandbox_processes // 2 <= made <= SETTINGS.sandbox_processes


async def test_a_fork_bomb_is_its_own_problem(engine: LocalEngine, sandbox: LocalSandbox) -> None:
    """While one sandbox forks without end, another one runs programs, and the bomb ends by its own limits."""
    other = await engine.create()
    bomb = (
        "import os\nopen('started', 'w')\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    )
    bombing = asyncio.create_task(sandbox.exchange(python(bomb, wall_seconds=1.5)))
    await until_there(sandbox, "started")
    for _ in range(3):
        assert await output(other, bash("for i in 1 2 3; do (echo $i); done | wc -l")) == "3\n"
        assert await output(other, python("import os; print(os.getpid())")) == "2\n"
    reply = await bombing
    assert reply.ending in (Ending.TIME, Ending.MEMORY)  # as many interpreters nearly fill its memory
    assert int(await output(sandbox, bash("ls /proc | grep -c '^[0-9]'"))) <= 5
    await engine.destroy(other.id)


@pytest.mark.parametrize(
    ("place", "most"),
    [
        ("/tmp", SETTINGS.sandbox_tmp_bytes),
        ("/dev/shm", SETTINGS.sandbox_shm_bytes),
    ],
)
async def test_temporary_places_are_bounded(sandbox: LocalSandbox, place: str, most: int) -> None:
    """/tmp and /dev/shm are limited in bytes and in files."""
    source = f"""
import errno, json, os
outcomes = []
written = made = 0
try:
    with open("{place}/fill", "wb", buffering=0) as fill:
        while written < {4 * most}:
            written += fill.write(bytes(1 << 16))
except OSError as error:
    outcomes.append(errno.errorcode[error.errno])
os.unlink("{place}/fill")
try:
    for made in range(50_000):
        os.close(os.open(f"{place}/{{made}}", os.O_CREAT))
except OSError as error:
    outcomes.append(errno.errorcode[error.errno])
print(json.dumps([outcomes, written, made]))
"""
    outcomes, written, made = await answer(sandbox, source)
    assert outcomes == ["ENOSPC", "ENOSPC"]
    assert written <= most
    assert made <= 20_000


async def test_one_program_cannot_hold_all_descriptors(sandbox: LocalSandbox) -> None:
    """Open files are bounded for each process."""
    source = """
import os
opened = []
try:
    while len(opened) < 100_000:
        opened.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
print(len(opened))
"""
    assert int(await output(sandbox, python(source))) <= 4096
