"""Without control groups the runner watches memory, and memory that it cannot see is denied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from unittest.mock import patch

import pytest
import pytest_asyncio

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import bash, output, python
from tests.engine.conftest import SETTINGS

pytestmark = pytest.mark.asyncio(loop_scope="session")

MiB = 1024 * 1024


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def engine() -> AsyncIterator[LocalEngine]:
    """Open an engine that finds no control groups, as one of an ordinary user does."""
    with patch("librechat_code_interpreter.engines.local.jails.open_cgroups", return_value=None):
        engine = LocalEngine(SETTINGS.model_copy(update={"sandbox_standby": 0}))
        await engine.open()
        yield engine
        await engine.close()


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox(engine: LocalEngine) -> AsyncIterator[LocalSandbox]:
    """Make a sandbox for one test."""
    sandbox = await engine.create()
    yield sandbox
    await engine.destroy(sandbox.id)


async def test_too_much_memory_ends_a_run(sandbox: LocalSandbox) -> None:
    """The runner ends a program over its memory limit; its output is kept and the sandbox lives on."""
    source = f"import signal\nprint('kept')\nblock = bytearray({2 * SETTINGS.sandbox_memory_bytes})\nsignal.pause()\n"
    reply = await sandbox.exchange(python(source))
    assert (reply.ending, reply.stdout) == (Ending.MEMORY, "kept\n")
    assert await output(sandbox, bash("echo alive")) == "alive\n"


async def test_memory_that_processes_share_counts_once(sandbox: LocalSandbox) -> None:
    """Twenty forks of an interpreter with numpy loaded have little memory of their own: nothing is killed."""
    source = """
import numpy, os, time
for _ in range(20):
    if os.fork() == 0:
        time.sleep(1000)
block = numpy.ones(1 << 20)
time.sleep(0.5)  # the runner looks every 0.1 s
print("done")
"""
    reply = await sandbox.exchange(python(source))
    assert (reply.ending, reply.stdout) == (Ending.OK, "done\n")


@pytest.mark.parametrize("make", ["os.memfd_create('x')", "libc.shmget(0, 4096, 0o1600) == -1 and fail()"])
async def test_memory_that_nobody_counts_cannot_be_had(sandbox: LocalSandbox, make: str) -> None:
    """Pages that belong to no process would go uncounted."""
    source = f"""
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def fail(): raise OSError(ctypes.get_errno(), "")
try:
    {make}
    print("had it")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    assert await output(sandbox, python(source)) == "ENOSYS\n"


async def test_processes_are_bounded_all_the_same(sandbox: LocalSandbox) -> None:
    """The limit is a resource limit as well."""
    source = """
import os, signal
made = 0
try:
    while os.fork():
        made += 1
    signal.pause()
except OSError:
    print(made)
"""
    made = int(await output(sandbox, python(source)))
    assert SETTINGS.sandbox_processes // 2 <= made <= SETTINGS.sandbox_processes
