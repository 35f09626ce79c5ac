"""When a run has ended, nothing that it started is alive.

Each stray opens a named pipe for writing and says that it lives. The test holds the reading end: as long as one writer
lives, an empty pipe says "try again"; when the last one is gone, it says "end of file". No process id can be reused
behind the test's back, and there is nothing to wait for.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Program
from tests.runner.host import Bench

PREAMBLE = """
import os, signal, sys, time

def stray():
    "Say that we live, for ever."
    pipe = os.open(os.environ["HOME"] + "/../alive", os.O_WRONLY)
    os.write(pipe, b"!")
    with open("up", "a") as up:
        up.write("!")
    while True:
        time.sleep(1000)

def when_up(count=1):
    "Return when this many strays live."
    while not os.path.exists("up") or os.path.getsize("up") < count:
        time.sleep(0.005)
"""

WAYS = {
    "a child": "if os.fork() == 0: stray()",
    "a child with a session of its own": "if os.fork() == 0: os.setsid(); stray()",
    "a daemon": """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for descriptor in 0, 1, 2:
                    os.close(descriptor)
                stray()
            os._exit(0)
        os.wait()
    """,
    "one that ignores signals": """
        if os.fork() == 0:
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                try:
                    signal.signal(number, signal.SIG_IGN)
                except OSError:
                    pass
            stray()
    """,
    "one that is stopped": """
        pid = os.fork()
        if pid == 0: stray()
        when_up()
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)
    """,
    "one that executes something else under another name": """
        if os.fork() == 0:
            pipe = os.open(os.environ["HOME"] + "/../alive", os.O_WRONLY)
            os.set_inheritable(pipe, True)
            os.write(pipe, b"!")
            with open("up", "w") as up: up.write("!")
            os.chdir("/")
            os.execve("/bin/sleep", ["[kworker]", "1000"], {})
    """,
}


@contextmanager
def watched(bench: Bench) -> Iterator[int]:
    """Return the reading end of this bench's pipe."""
    path = bench.workspace.parent / "alive"
    os.mkfifo(path)
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield pipe
    finally:
        os.close(pipe)


def lived_and_died(pipe: int) -> int:
    """Count the strays that lived; BlockingIOError when one still does."""
    said = b""
    while chunk := os.read(pipe, 4096):
        said += chunk
    return len(said)


@pytest.mark.parametrize("way", WAYS)
def test_a_stray_dies_with_the_program(bench: Bench, way: str) -> None:
    """However a process detaches itself, it has ended when the run's reply arrives."""
    with watched(bench) as pipe:
        reply = bench.python(PREAMBLE + textwrap.dedent(WAYS[way]) + "\nwhen_up()\nprint('left')\n")
        assert (reply.ending, reply.stdout, reply.stderr) == (Ending.OK, "left\n", "")
        assert lived_and_died(pipe) == 1


def test_strays_die_at_the_time_limit(bench: Bench) -> None:
    """A run that is cut off leaves nothing either, nor do the children of strays."""
    source = PREAMBLE + "for _ in range(4):\n    if os.fork() == 0: os.setsid(); os.fork(); stray()\nstray()\n"
    with watched(bench) as pipe:
        assert bench.python(source, wall_seconds=1.0).ending == Ending.TIME
        assert lived_and_died(pipe) > 0


def test_strays_of_a_compiler_die_before_the_program_starts(bench: Bench) -> None:
    """Each step ends with everything that it started."""
    stray = f"{PREAMBLE}\nif os.fork() == 0: os.setsid(); stray()\nwhen_up()"
    compiler = ["python3", "-c", stray.replace("{", "{{").replace("}", "}}")]
    with watched(bench) as pipe:
        reply = bench.program(Program("", "x", "scratch", compile=compiler, run=["echo", "ran"]))
        assert (reply.ending, reply.stdout) == (Ending.OK, "ran\n")
        assert lived_and_died(pipe) == 1


def test_the_end_does_not_wait_for_whoever_holds_the_streams(bench: Bench) -> None:
    """A background process with stdout open (`server &`) does not keep the run from ending."""
    with watched(bench) as pipe:
        reply = bench.python(PREAMBLE + "if os.fork() == 0: stray()\nwhen_up()\nprint('done')\n")
        assert reply.stdout == "done\n"
        assert lived_and_died(pipe) == 1


def test_an_orphan_whose_parent_ended_long_ago_dies(bench: Bench) -> None:
    """Orphans of orphans are found: the runner is the parent of every process that lost its own."""
    source = """
    def descend(depth):
        if depth == 0:
            stray()
        if os.fork() == 0:
            os.setsid()
            descend(depth - 1)
        os._exit(0)
    if os.fork() == 0:
        descend(5)
    when_up()
    """
    with watched(bench) as pipe:
        assert bench.python(PREAMBLE + textwrap.dedent(source)).ending == Ending.OK
        assert lived_and_died(pipe) == 1
