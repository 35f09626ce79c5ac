"""Try to get out of a sandbox, as a program would, and tell what was found open."""

from __future__ import annotations

import json
import platform
from pathlib import Path

from app.engines.local.sandbox import LocalSandbox
from app.engines.local.syscall_numbers import NUMBERS
from app.runner.endings import Ending
from app.runner.messages import Limits, Program, Request

_PROGRAM = Path(__file__).with_name("canary_program.py")
_BLANK = "SYSCALLS: dict[str, int] = {}"
_SECONDS = 10.0
_TRIED = ("mount", "unshare", "setns", "ptrace", "keyctl", "bpf", "io_uring_setup", "userfaultfd", "perf_event_open")


class Lost(Exception):
    """Tell that the canary's jail died: nothing is known by that, neither good nor bad."""


async def escapes(sandbox: LocalSandbox) -> list[str]:
    """Run the canary; give what it could do and should not, an empty list when it is contained. Raises ``Lost``."""
    column = 0 if platform.machine() == "x86_64" else 1
    numbers = {name: NUMBERS[name][column] for name in _TRIED}
    source = _PROGRAM.read_text(encoding="utf-8").replace(_BLANK, f"SYSCALLS = {numbers!r}")
    reply = await sandbox.exchange(Request(Program(source, "canary.py", "warm"), Limits(wall_seconds=_SECONDS)))
    if reply.ending is Ending.LOST:
        raise Lost
    try:
        found = json.loads(reply.stdout)
    except ValueError:
        return [f"the canary did not come to an end ({reply.ending}): {reply.stderr[-300:]}"]
    return [str(item) for item in found]
