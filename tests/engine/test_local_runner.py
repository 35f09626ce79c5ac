"""Programs of the local engine that attack their runner: it still answers."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import bash, output, python, works
from tests.engine.conftest import SETTINGS

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(engine: LocalEngine) -> AsyncIterator[LocalSandbox]:
    """Make a sandbox for one test."""
    sandbox = await engine.create()
    yield sandbox
    await engine.destroy(sandbox.id)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV])
async def test_a_program_cannot_end_or_stop_its_runner(sandbox: LocalSandbox, number: signal.Signals) -> None:
    """The runner is the first process of its namespace: no signal from inside reaches it."""
    reply = await sandbox.exchange(bash(f"kill -{number.value} 1; echo sent"))
    assert (reply.ending, reply.stdout) == (Ending.OK, "sent\n")


async def test_a_program_that_kills_everybody_kills_itself(sandbox: LocalSandbox) -> None:
    """`kill -9 -1` ends the program's other processes (the kernel spares who asks), and the answer still comes."""
    reply = await sandbox.exchange(bash("sleep 1000 & kill -9 -1; wait; echo alone; kill -9 0"))
    assert (reply.ending, reply.signal, reply.stdout) == (Ending.SIGNAL, "SIGKILL", "alone\n")


async def test_processes_that_flee_are_caught(sandbox: LocalSandbox) -> None:
    """A program that forks and dies all the time cannot be listed; the end of the jail ends it."""
    source = """
import os
def flee():
    os.setsid()
    while os.fork() == 0:
        with open("heart", "w") as heart:
            heart.write("x")
    os._exit(0)
for _ in range(4):
    if os.fork() == 0:
        flee()
while not os.path.exists("heart"):
    pass
"""
    assert (await sandbox.exchange(python(source))).ending == Ending.OK
    assert await output(sandbox, bash("rm heart; ls /proc | grep -c '^[0-9]'; test ! -e heart && echo still")) != ""
    assert await output(sandbox, bash("test ! -e heart && echo still")) == "still\n"


async def test_memory_in_files_is_memory(engine: LocalEngine, sandbox: LocalSandbox) -> None:
    """Temporary files are in memory: with a control group they count, and even then the sandbox answers."""
    limit = SETTINGS.sandbox_memory_bytes
    source = f"""
import mmap, os, signal
print("kept", flush=True)
fill = os.open("/tmp/fill", os.O_WRONLY | os.O_CREAT)
blocks = []
for _ in range({limit} >> 20):
    block = mmap.mmap(-1, 1 << 20)
    block.write(bytes(1 << 20))
    blocks.append(block)
    try:
        os.write(fill, bytes(1 << 18))
    except OSError:
        pass
signal.pause()
"""
    reply = await sandbox.exchange(python(source))
    assert reply.ending == Ending.MEMORY
    await works(engine)


async def test_a_runner_without_memory_is_a_run_without_memory(engine: LocalEngine, sandbox: LocalSandbox) -> None:
    """Unbounded output may kill the runner; the run's ending says why."""
    source = "import os\nfor stream in 1, 2:\n    for _ in range(10): os.write(stream, bytes([1]) * (1 << 20))\n"
    reply = await sandbox.exchange(python(source, stdout_bytes=10 << 20, stderr_bytes=10 << 20))
    is_counted = engine.jails.watched_memory is None
    assert reply.ending == (Ending.MEMORY if is_counted else Ending.OK)
    await works(engine)


async def test_a_program_does_not_kill_its_runner_by_a_limit(sandbox: LocalSandbox) -> None:
    """A limit set by the program on process 1 (`prlimit`) used to end the runner, and with it the answer."""
    source = """
import os, resource
done = []
attempts = {
    "limit": lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0)),
    "processor time": lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0)),
    "class": lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)),
    "affinity": lambda: os.sched_setaffinity(1, {0}),
    "niceness": lambda: os.setpriority(os.PRIO_PROCESS, 1, 19),
    "niceness of the user": lambda: os.setpriority(os.PRIO_USER, 0, 19),
}
for name, attempt in attempts.items():
    try:
        attempt()
        done.append(name)
    except PermissionError:
        pass
print(done)
"""
    assert await output(sandbox, python(source)) == "[]\n"


async def test_a_program_may_change_its_own_limits_and_priorities(sandbox: LocalSandbox) -> None:
    """The runner's protection leaves a program its own: `ulimit`, `nice`, and affinity as libraries set it."""
    source = """
import os, resource
soft, hard = resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)
resource.prlimit(0, resource.RLIMIT_NOFILE, (soft - 1, hard))
resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 2, hard))
os.sched_setaffinity(0, os.sched_getaffinity(0))
os.sched_setaffinity(os.getpid(), os.sched_getaffinity(0))
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
before = os.nice(0)
os.setpriority(os.PRIO_PROCESS, 0, min(19, before + 1))
print(os.nice(0) >= before, soft - resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""
    assert await output(sandbox, python(source)) == "True 2\n"
    assert await output(sandbox, bash("ulimit -n 100; nice -n 3 bash -c 'ulimit -n'")) == "100\n"
