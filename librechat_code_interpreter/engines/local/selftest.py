"""Self-test: a program in a sandbox tries to escape, and what succeeded is reported."""

from __future__ import annotations

import json
import platform
from pathlib import Path

from librechat_code_interpreter.core.protocols import Sandbox
from librechat_code_interpreter.engines.local.syscall_numbers import NUMBERS
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Limits, Program, Request

_PROGRAM = Path(__file__).with_name("selftest_program.py")
_BLANK = "SYSCALLS: dict[str, int] = {}"
_SECONDS = 10.0
_TRIED = ("mount", "unshare", "setns", "ptrace", "keyctl", "bpf", "io_uring_setup", "userfaultfd", "perf_event_open")


class Lost(Exception):
    """The jail of the self-test died, so its result is unknown, neither good nor bad."""


async def escapes(sandbox: Sandbox) -> list[str]:
    """Run the self-test program and return what it could do and should not; empty if it is contained.

    Raises ``Lost`` if its jail dies.
    """
    column = 0 if platform.machine() == "x86_64" else 1
    numbers = {name: NUMBERS[name][column] for name in _TRIED}
    source = _PROGRAM.read_text(encoding="utf-8").replace(_BLANK, f"SYSCALLS = {numbers!r}")
    reply = await sandbox.exchange(Request(Program(source, "canary.py", "warm"), Limits(wall_seconds=_SECONDS)))
    if reply.ending is Ending.LOST:
        raise Lost
    try:
        found = json.loads(reply.stdout)
    except ValueError:
        return [f"the self-test did not end ({reply.ending}): {reply.stderr[-300:]}"]
    return [str(item) for item in found]
