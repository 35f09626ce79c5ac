"""What the zygote prepares for its forks: they start sooner, without a visible difference."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import types

import pytest

from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from tests.engine.asking import output, python
from tests.runtime import RUNTIME_PYTHON

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_programs_own_forks_run_all_hooks(sandbox: LocalSandbox) -> None:
    """Deferred fork hooks are restored: a child's random numbers are its own, its threads too."""
    source = """
import os, random, threading
first = random.getstate()
waiting = threading.Event()
threading.Thread(target=waiting.wait).start()
if (child := os.fork()) == 0:
    print(random.getstate() != first, threading.active_count(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
waiting.set()
"""
    assert await output(sandbox, python(source)) == "True 1\n"


async def test_threading_knows_the_programs_process(sandbox: LocalSandbox) -> None:
    """The main thread's number is the program's, not the zygote's, and threads and their pools work."""
    source = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    print(threading.main_thread().native_id == os.getpid(), sum(pool.map(abs, [-1, 2])))
"""
    assert await output(sandbox, python(source)) == "True 3\n"


async def test_two_runs_draw_different_numbers(sandbox: LocalSandbox) -> None:
    """Both come from one zygote, and neither `random` nor `numpy.random` may repeat itself."""
    source = "import random, numpy\nprint(random.random(), numpy.random.random())"
    drawn = [await output(sandbox, python(source)) for _ in range(2)]
    assert not set(drawn[0].split()) & set(drawn[1].split())


async def test_hooks_are_kept_back_only_when_told() -> None:
    """The service, and the runner on Daytona, leave ``os`` as it is."""
    assert isinstance(os.register_at_fork, types.BuiltinFunctionType)
    code = (
        "import os; was = os.register_at_fork; from librechat_code_interpreter.runner import forkhooks;"
        "print(os.register_at_fork is was)"
    )
    assert await asyncio.to_thread(subprocess.check_output, [sys.executable, "-c", code]) == b"True\n"


async def test_the_rehearsal_of_a_plot_leaves_no_trace() -> None:
    """No figure, open file, changed setting or warning stays; and a real plot then has nothing left to import."""
    code = """
import json, os, sys
import pandas, matplotlib.pyplot as plt
from librechat_code_interpreter.engines.local.inside import warm_up
plt.switch_backend("agg")
settings, files = dict(plt.rcParams), os.listdir("/proc/self/fd")
warm_up.draw()
clean = [plt.get_fignums() == [], dict(plt.rcParams) == settings, os.listdir("/proc/self/fd") == files]
known = set(sys.modules)
pandas.DataFrame({"x": [1, 2], "y": [3, 4]}).plot(x="x", y="y")
plt.savefig("/dev/null", format="png")
print(json.dumps([clean, sorted(set(sys.modules) - known)]))
"""
    command = [str(RUNTIME_PYTHON), "-c", code]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    assert json.loads(done.stdout) == [[True, True, True], []]
    assert done.stderr == b"", "it would stand in the log at each start"


_STREAMS = """
import sys
for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream.name, stream.mode, stream.encoding, stream.errors, stream.line_buffering, stream.write_through,
          stream.seekable(), stream.isatty(), stream.closed, stream.newlines, type(stream.buffer).__name__,
          stream.fileno())
"""


async def test_streams_that_were_opened_ahead_are_a_fresh_interpreters(sandbox: LocalSandbox) -> None:
    """The streams were opened in the zygote; what they know of their descriptors is true for the program's."""
    source = f"""{_STREAMS}
import subprocess
subprocess.run([sys.executable, "-u", "-c", {_STREAMS!r}], check=True)
"""
    lines = (await output(sandbox, python(source))).splitlines()
    assert len(lines) == 6
    assert lines[:3] == lines[3:]


async def test_an_environment_that_was_set_ahead_is_a_fresh_interpreters(
    engine: LocalEngine, sandbox: LocalSandbox
) -> None:
    """What Python and what programs that it starts find is what was asked for, and nothing of the zygote's own."""
    source = """
import json, os, subprocess
told = subprocess.run(["/usr/bin/env", "-0"], capture_output=True, text=True, check=True).stdout
print(json.dumps([dict(os.environ), dict(line.split("=", 1) for line in told.split("\\0")[:-1])]))
"""
    seen, inherited = json.loads(await output(sandbox, python(source)))
    assert seen == inherited == engine.jails.program_env("/mnt/data", "/tmp")


async def test_a_program_with_another_environment_has_that(sandbox: LocalSandbox) -> None:
    """A program with other variables does not get the prepared environment."""
    request = python("import os; print(os.environ.get('MORE'), os.environ['HOME'])")
    request.env["MORE"] = "yes"
    assert await output(sandbox, request) == "yes /mnt/data\n"
