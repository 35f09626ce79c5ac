"""Python in the warm interpreter: runs are isolated from each other, and the differences to a cold one.

That it otherwise behaves as `python3 main.py` is shown by ``test_like_python``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from librechat_code_interpreter.runner.endings import Ending
from tests.runner.conftest import make_bench
from tests.runner.host import Bench, running_host
from tests.runtime import RUNTIME_PYTHON

CHANGE_EVERYTHING = """
import builtins, gc, json, linecache, os, random, signal, sys, threading, warnings
builtins.print_twice = 1
json.dumps = None
os.environ["LEFT"] = "behind"
os.chdir("/")
os.umask(0o077)
random.seed(1)
sys.path.append("/left")
sys.modules["left"] = sys
sys.setrecursionlimit(50)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=signal.pause, daemon=True).start()
warnings.simplefilter("error")
linecache.clearcache()
gc.disable()
left = 1
"""

TELL_EVERYTHING = """
import builtins, gc, json, os, signal, sys, threading, warnings
print(hasattr(builtins, "print_twice"), json.dumps(1), os.environ.get("LEFT"), os.getcwd() == os.environ["HOME"])
print(oct(os.umask(0o022)), "/left" in sys.path, "left" in sys.modules, sys.getrecursionlimit())
print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, threading.active_count(), gc.isenabled(), "left" in globals())
"""


def test_no_run_sees_what_another_changed(bench: Bench) -> None:
    """Every run is a process of its own, forked from an interpreter in which no program ever ran."""
    before = bench.python(TELL_EVERYTHING)
    assert bench.python(CHANGE_EVERYTHING).ending == Ending.OK
    after = bench.python(TELL_EVERYTHING)
    assert after.stdout == before.stdout
    assert before.stdout == "False 1 None True\n0o22 False False 1000\nTrue 1 True False\n"


@pytest.mark.parametrize(
    "source",
    [
        "import random; print(random.random())",
        "import random; print(random.Random().random(), random.SystemRandom().random())",
        "import uuid; print(uuid.uuid4(), uuid.uuid1().clock_seq)",
        "import secrets; print(secrets.token_hex())",
        "import os; print(os.urandom(8))",
        "import tempfile; print(tempfile.mktemp())",
        "import multiprocessing; print(bytes(multiprocessing.current_process().authkey))",
    ],
)
def test_random_numbers_differ_between_runs(bench: Bench, source: str) -> None:
    """A fork inherits the state of its parent's generators; each run starts from another one."""
    outputs = {bench.python(source).stdout for _ in range(3)}
    assert len(outputs) == 3


@pytest.fixture(scope="module")
def numeric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Have numpy, and the standard library's generators, in memory before the fork, as the loaded zygote does."""
    preload = ("numpy", "random", "tempfile", "uuid", "secrets", "multiprocessing")
    with running_host(RUNTIME_PYTHON, preload) as host:
        yield make_bench(host, tmp_path_factory.mktemp("numeric"))


@pytest.mark.parametrize(
    "source",
    [
        "import numpy; print(numpy.random.rand())",
        "import numpy; print(numpy.random.default_rng().random())",
        "import numpy; print(numpy.random.RandomState().rand())",
        "import random; print(random.random())",
        "import uuid; print(uuid.uuid4())",
        "import tempfile; print(tempfile.mktemp())",
    ],
)
def test_preloaded_generators_differ_between_runs(numeric: Bench, source: str) -> None:
    """Generators that were imported, and seeded, before the fork are seeded again after it."""
    outputs = {numeric.python(source).stdout for _ in range(3)}
    assert len(outputs) == 3


def test_a_seed_of_the_users_counts(numeric: Bench) -> None:
    """Reseeding at the start does not affect a program that seeds by itself."""
    source = "import random, numpy; random.seed(1); numpy.random.seed(1); print(random.random(), numpy.random.rand())"
    assert numeric.python(source).stdout == "0.13436424411240122 0.417022004702574\n"


def test_children_of_a_run_are_seeded_as_always(bench: Bench) -> None:
    """Two forks of one program share their state, as in any Python; a pool that reseeds works."""
    source = """
import multiprocessing, random
def draw(_): return random.random()
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(len(set(pool.map(draw, range(4), chunksize=1))))
"""
    assert bench.python(source).stdout == "4\n"


def test_an_interrupt_ends_with_130(bench: Bench) -> None:
    """As in a shell, a run that ends by SIGINT has exit code 130, with the traceback."""
    reply = bench.python("print('kept')\nraise KeyboardInterrupt")
    assert (reply.ending, reply.code, reply.stdout) == (Ending.EXIT, 130, "kept\n")
    assert reply.stderr.endswith("KeyboardInterrupt\n")


def test_the_program_has_a_name_but_no_file(bench: Bench) -> None:
    """`__file__` lies in the workspace, so that paths relative to it work, but the text is no output."""
    source = "import os; print(__file__ == os.path.abspath('main.py'), os.listdir())"
    reply = bench.python(source)
    assert reply.stdout == "True []\n"
    assert reply.changed == []


def test_a_users_main_py_is_another_file(bench: Bench) -> None:
    """Tracebacks show the program that ran, not a file of the user's that has the same name."""
    (bench.workspace / "main.py").write_text("# the user's line one\n# the user's line two\n")
    reply = bench.python("import traceback\n1 / 0  # the program's\n")
    assert "1 / 0  # the program's" in reply.stderr
    assert "the user's" not in reply.stderr
    assert (bench.workspace / "main.py").read_text().startswith("# the user's")


def test_a_failing_exception_hook_hides_nothing(bench: Bench) -> None:
    """When the user's own hook fails, both errors are on stderr, as in any Python."""
    source = "import sys\ndef hook(*_): raise ValueError('in the hook')\nsys.excepthook = hook\n1 / 0"
    reply = bench.python(source)
    assert (reply.ending, reply.code) == (Ending.EXIT, 1)
    assert "ValueError: in the hook" in reply.stderr
    assert "ZeroDivisionError" in reply.stderr


def test_nothing_of_the_runner_is_in_a_traceback(bench: Bench) -> None:
    """The user's first line is the first line of a traceback, also of the causes of an exception."""
    source = (
        "import json\ntry:\n    json.loads('{')\nexcept ValueError as error:\n    raise RuntimeError() from error\n"
    )
    stderr = bench.python(source).stderr
    assert stderr.count("Traceback (most recent call last):\n  File") == 2
    assert "librechat_code_interpreter/runner" not in stderr
    assert "exec(" not in stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_error_in_a_spawned_child_shows_the_users_lines(bench: Bench, method: str) -> None:
    """A child that imports the main module again finds the program's text."""
    source = f"""
import multiprocessing
def fail():
    raise ValueError("in a child")  # line 4
if __name__ == "__main__":
    process = multiprocessing.get_context("{method}").Process(target=fail)
    process.start()
    process.join()
    print(process.exitcode)
"""
    reply = bench.python(source)
    assert reply.stdout == "1\n"
    assert 'line 4, in fail\n    raise ValueError("in a child")  # line 4' in reply.stderr


def test_a_program_may_recurse_nearly_as_deep_as_ever(bench: Bench) -> None:
    """A few frames of the limit of 1000 are the runner's; programs that need about 900 still run."""
    assert bench.python("def f(n): return n and 1 + f(n - 1)\nprint(f(950))").stdout == "950\n"


def test_a_program_may_look_into_itself(bench: Bench) -> None:
    """The runner is unreadable for others; a program can read itself, as any process."""
    source = "print(len(open('/proc/self/environ').read()) >= 0, len(open('/proc/self/maps').read()) > 0)"
    assert bench.python(source).stdout == "True True\n"


def test_a_program_that_does_away_with_everything_still_ends(bench: Bench) -> None:
    """A program that empties ``sys.modules`` gets its ending like any other."""
    for source in (
        "import sys; sys.modules.clear()",
        "import builtins; vars(builtins).clear()",
        "import os; vars(os).clear()",
        "import sys; vars(sys).clear()",
        "import threading, atexit; del threading._shutdown, atexit._run_exitfuncs",
        "import os; os.closerange(0, 100)",
        "import os; os.rmdir(os.getcwd())",
    ):
        reply = bench.python(source)
        assert reply.ending in (Ending.OK, Ending.EXIT), source
        bench.workspace.mkdir(exist_ok=True)


def test_a_large_program_runs(bench: Bench) -> None:
    """A program may contain its data, as those of LibreChat's file helpers do, whatever its length."""
    data = "x" * (8 << 20)
    assert bench.python(f"data = '{data}'\nprint(len(data))").stdout == f"{8 << 20}\n"


def test_a_deeply_nested_program_is_an_error_of_its_own(bench: Bench) -> None:
    """A syntax error is the program's error, not the sandbox's."""
    reply = bench.python("(" * 5000 + ")" * 5000)
    assert (reply.ending, reply.code) == (Ending.EXIT, 1)
    assert "SyntaxError" in reply.stderr or "MemoryError" in reply.stderr or "RecursionError" in reply.stderr


def test_text_that_cannot_be_encoded_is_an_error_of_its_own(bench: Bench) -> None:
    """Lone surrogates can come in a JSON request; NUL bytes too."""
    for source in ("print('\ud800')", "print(1)\0"):
        reply = bench.python(source)
        assert (reply.ending, reply.code) == (Ending.EXIT, 1)
        assert "Error" in reply.stderr


def test_scratch_names_are_not_in_the_users_way(bench: Bench, tmp_path: Path) -> None:
    """The text that spawned children need lies in the scratch directory, hidden from a plain listing."""
    bench.python("x = 1")
    assert [path.name for path in bench.scratch.iterdir() if not path.name.startswith(".")] == []


def test_a_file_in_a_cycle_is_written_out(bench: Bench) -> None:
    """Buffered data that plain Python may lose (it closes the layers of a file in any order) is written."""
    code = "class R: pass\nr = R(); r.me = r; r.file = open('out.txt', 'w'); r.file.write('text'); del r"
    (made,) = bench.python(code).changed
    assert (made.path, made.size) == ("out.txt", 4)
