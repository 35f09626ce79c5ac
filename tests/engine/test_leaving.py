"""The end of a warm program is seen before its process is gone; nothing that a program does makes it seem so."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.engines.local.engine import LocalEngine
from app.engines.local.sandbox import LocalSandbox
from app.runner import leaving
from app.runner.endings import Ending
from app.runner.messages import ChangedFile
from tests.engine.asking import output, python

pytestmark = pytest.mark.asyncio(loop_scope="session")
MiB = 1 << 20


@pytest_asyncio.fixture(loop_scope="session")
async def new(engine: LocalEngine) -> AsyncIterator[LocalSandbox]:
    """Make a sandbox for one test."""
    sandbox = await engine.create()
    yield sandbox
    await engine.destroy(sandbox.id)


async def test_as_the_first_process_the_runner_does_not_wait_for_the_end() -> None:
    """In a process namespace of its own it hears how the program leaves, and has no status from waiting for it."""
    code = """
import json, time
from app.runner.messages import Limits
from app.runner.spawn import spawn
from app.runner.warm_python import WarmProgram
from app.runner.watch import Stream, Watched, watch
seen = Watched(Stream("stdout", 99), Stream("stderr", 99))
program = WarmProgram("import sys; print(4); sys.exit(3)", "/tmp/m.py", "/tmp/m.py", [], {})
process = spawn(program, Limits(), "/tmp", None)
watch(process, seen, Limits(), time.monotonic() + 60)
print(json.dumps([seen.left is not None and seen.left.status, seen.status, seen.stdout.text]))
"""
    namespace = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    command = [*namespace, sys.executable, "-c", code]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    assert json.loads(done.stdout) == [3 << 8, 3 << 8, "4\n"]


async def test_a_program_that_only_says_that_it_leaves_goes_on(new: LocalSandbox) -> None:
    """What it does after saying so counts: its output, its files, its exit code."""
    source = f"""
import os, sys, time
os.write({leaving.NUMBER}, bytes(8))
time.sleep(0.3)
print("late")
open("late.txt", "w").write("late")
sys.exit(5)
"""
    reply = await new.exchange(python(source))
    assert (reply.ending, reply.code, reply.stdout) == (Ending.EXIT, 5, "late\n")
    assert [file.path for file in reply.changed] == ["late.txt"]


async def test_a_child_that_falls_through_to_the_end_does_not_end_the_run(new: LocalSandbox) -> None:
    """A fork that returns from the main module is not the program."""
    source = """
import os, time
if os.fork():
    time.sleep(0.3)
    print("parent")
else:
    print("child")
"""
    assert await output(new, python(source)) == "child\nparent\n"


_CHILD = """
import subprocess
subprocess.Popen(["bash", "-c", "while :; do echo $((n += 1)) > written.txt; done"])
"""
_THREAD = """
import threading
def write():
    n = 0
    while True:
        n += 1
        open("written.txt", "w").write(str(n))
threading.Thread(target=write, daemon=True).start()
"""


@pytest.mark.parametrize("start", [_CHILD, _THREAD], ids=["child", "thread"])
async def test_nobody_that_is_left_writes_anything_more(new: LocalSandbox, start: str) -> None:
    """Children and threads are gone when the workspace is looked at: what is delivered is what a later run finds."""
    reply = await new.exchange(python(f"{start}\nimport os\nwhile not os.path.exists('written.txt'): pass"))
    assert reply.ending is Ending.OK
    (file,) = reply.changed
    assert await output(new, python("print(open('written.txt').read(), end='')")) == _text_of(file)


def _text_of(file: ChangedFile) -> str:
    return base64.b64decode(file.content or "").decode()


async def test_all_output_up_to_the_end_comes(new: LocalSandbox) -> None:
    """More than is read at once is in the pipe when the program leaves; all of it counts."""
    source = f"""
import fcntl, os
fcntl.fcntl(1, 1031, 1 << 20)  # F_SETPIPE_SZ
os.write(1, b"x" * 900_000)
os.write({leaving.NUMBER}, bytes(8))
os._exit(0)
"""
    assert await output(new, python(source)) == "x" * 900_000


async def test_nothing_is_written_into_a_file_that_has_the_pipes_number(new: LocalSandbox) -> None:
    """A program that closes all descriptors, as daemons do, may get the number again."""
    source = f"""
import os
os.closerange(3, 1000)
file = os.open("mine.txt", os.O_RDWR | os.O_CREAT)
os.dup2(file, {leaving.NUMBER})
os.write({leaving.NUMBER}, b"mine")
"""
    assert (await new.exchange(python(source))).ending is Ending.OK
    assert await output(new, python("print(open('mine.txt').read(), end='')")) == "mine"


async def test_what_a_run_used_is_told_all_the_same(new: LocalSandbox) -> None:
    """Processor time of the program and of its children, by the kernel's clocks, and its peak of memory."""
    source = """
import subprocess, sys, time
held = bytearray(60 << 20)
while time.process_time() < 0.3:
    pass
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.3: pass"])
"""
    reply = await new.exchange(python(source))
    assert reply.cpu_seconds > 0.55
    assert 60 * MiB < reply.peak_memory_bytes < 128 * MiB


async def test_a_program_cannot_claim_more_memory_than_there_is(new: LocalSandbox) -> None:
    """The peak is what the process says of itself; nobody's page shows exabytes for it."""
    source = f"""
import fcntl, os
fcntl.fcntl({leaving.NUMBER}, 1031, 4096)
os.write({leaving.NUMBER}, b"\\xff" * 8)
os._exit(0)
"""
    reply = await new.exchange(python(source))
    assert reply.peak_memory_bytes < 1 << 45
