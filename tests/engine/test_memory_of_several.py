"""A memory limit ends a run, whichever of its processes the kernel kills."""

from __future__ import annotations

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import python

SOURCE = """
import os, signal
print("kept")
for _ in range(3):
    if os.fork() == 0:
        break
else:
    signal.pause()  # the first process takes nothing and waits for ever
blocks = [bytearray(1 << 20) for _ in range(256 // 3)]
signal.pause()
"""


async def test_a_run_whose_child_was_killed_for_memory_ends(engine: LocalEngine) -> None:
    """The others do not run to their time limit: the run ends as out of memory, with its output."""
    sandbox = await engine.create()
    try:
        reply = await sandbox.exchange(python(SOURCE))
    finally:
        await engine.destroy(sandbox.id)
    assert (reply.ending, reply.stdout) == (Ending.MEMORY, "kept\n")
