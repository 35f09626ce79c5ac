"""Processor time of programs, which shows whether they compute or wait."""

from __future__ import annotations

import os
import subprocess
import sys

from librechat_code_interpreter.engines.local.processor_time import processor_seconds

BUSY_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


def test_a_process_answers_for_its_descendants() -> None:
    """A child of a waiting parent counts as the parent; a sleeping process uses nothing."""
    busy = subprocess.Popen([sys.executable, "-c", BUSY_CHILD], start_new_session=True)
    idle = subprocess.Popen(["sleep", "600"])
    try:
        while processor_seconds([busy.pid])[busy.pid] < 0.5:
            pass
        assert processor_seconds([idle.pid])[idle.pid] < 0.1
    finally:
        os.killpg(busy.pid, 9)
        idle.kill()
        busy.wait()
        idle.wait()


def test_a_process_that_ended_is_not_measured() -> None:
    """A process that has ended is missing, so that it does not count as sleeping."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert processor_seconds([ended.pid, os.getpid()]).keys() == {os.getpid()}
