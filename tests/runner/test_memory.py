"""Memory that processes share counts once, so that a pool of workers stays within its limit."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.runner.host import ROOT

MiB = 1024 * 1024

# In a process of its own: the measure takes all descendants of the process that asks.
LOOK = f"""
import os, signal, sys
from librechat_code_interpreter.runner import memory

def child(body):
    ready, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        keep = body()
        os.write(said, b"!")
        signal.pause()
    os.read(ready, 1)
    return pid

def holder():
    block = bytearray({100 * MiB})
    for _ in range(4):
        child(lambda: block)
    return block

pid = child(holder)
print(memory.is_over({150 * MiB}), memory.is_over({60 * MiB}))
os.killpg(0, signal.SIGKILL)
"""


def test_shared_pages_count_once() -> None:
    """Five processes that share 100 MiB hold less than 150 MiB together, and more than 60."""
    command = [sys.executable, "-u", "-P", "-c", LOOK]
    env = {"PYTHONPATH": str(ROOT), "PATH": os.defpath}
    done = subprocess.run(command, env=env, capture_output=True, text=True, start_new_session=True, check=False)
    assert (done.stdout, done.stderr) == ("False True\n", "")
