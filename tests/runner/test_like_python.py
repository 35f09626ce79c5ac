"""A program in the warm interpreter behaves as `python3 -u main.py` does: one table of programs, run both ways.

Both runs have the same workspace, environment and arguments, so that even tracebacks have to be equal, character by
character. What differs on purpose is in ``test_warm_python``, with the reason.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.runner.host import Bench

ENDS = {
    "an empty program": "",
    "the end": "print('done')",
    "sys.exit()": "import sys; sys.exit()",
    "sys.exit(None)": "import sys; sys.exit(None)",
    "sys.exit(0)": "import sys; print('kept'); sys.exit(0)",
    "sys.exit(3)": "import sys; print('kept'); sys.exit(3)",
    "sys.exit(True)": "import sys; sys.exit(True)",
    "sys.exit(-1)": "import sys; sys.exit(-1)",
    "sys.exit(256)": "import sys; sys.exit(256)",
    "sys.exit(text)": "import sys; sys.exit('it went wrong')",
    "sys.exit(tuple)": "import sys; sys.exit((1, 'two'))",
    "sys.exit(object that cannot be printed)": """
        import sys
        class Odd:
            def __str__(self): raise ValueError("no")
        sys.exit(Odd())
    """,
    "raise SystemExit": "raise SystemExit(4)",
    "exit()": "exit(5)",
    "quit()": "quit()",
    "exit in a function in a try": """
        import sys
        def main():
            try:
                sys.exit(6)
            finally:
                print("cleaned up")
        main()
    """,
    "os._exit": "import os; print('kept'); os._exit(7)",
    "os.abort": "import os; print('kept'); os.abort()",
    "a signal to itself": "import os, signal; print('kept'); os.kill(os.getpid(), signal.SIGTERM)",
    "an alarm": "import signal, time; signal.alarm(1); time.sleep(100)",
    "an uncaught exception": "print('kept')\n1 / 0",
    "an exit code in an exit handler": "import atexit, os; atexit.register(os._exit, 9)",
}

TRACEBACKS = {
    "through functions": """
        def outer(value):
            return inner(value) + 1


        def inner(value):
            # a comment
            return 1 / value

        print(outer(0))
    """,
    "through the standard library": "import json\n\njson.loads('{')\n",
    "chained": """
        try:
            {}["key"]
        except KeyError as error:
            raise RuntimeError("while handling") from error
    """,
    "while handling": """
        def fail():
            try:
                int("x")
            except ValueError:
                undefined_name
        fail()
    """,
    "with a suggestion": "import math\nmath.squrt(2)",
    "with notes": "error = ValueError('x')\nerror.add_note('a note')\nraise error",
    "in a group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "of an exception of one's own": "class Own(Exception): pass\nraise Own('text', 2)",
    "of an exception that cannot be printed": """
        class Odd(Exception):
            def __str__(self): raise ValueError("no")
        raise Odd()
    """,
    "of an assertion": "x = 1\nassert x == 2, f'x is {x}'",
    "of a syntax error": "print('not printed')\nif True\n    pass\n",
    "of an indentation error": "def f():\nprint(1)\n",
    "of an unfinished string": "x = 'abc\n",
    "of a syntax error in a string": "exec('1 +')",
    "of a syntax error in a module": "open('broken.py', 'w').write('def')\nimport broken",
    "of a module that is missing": "import no_such_module",
    "of a name that is missing": "from json import no_such_name",
    "of a recursion without end": "def f(n):\n    return f(n + 1)\nf(0)\n",
    "of a thread": """
        import threading
        def fail(): raise ValueError("in a thread")
        thread = threading.Thread(target=fail, name="worker")
        thread.start()
        thread.join()
        print("still here")
    """,
    "of an object that is thrown away": """
        class Odd:
            def __del__(self): raise ValueError("in __del__")
        Odd.__del__.__qualname__ = "Odd.__del__"
        import sys
        sys.unraisablehook = lambda info: print("unraisable:", info.exc_value)
        Odd()
    """,
    "asked for": "import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()\n",
    "of the stack": "import traceback\ndef f():\n    traceback.print_stack()\nf()\n",
    "after unusual line ends": "x = '''a\x0cb\x1cc\u2028d\x85e'''\n1 / 0  # line two\n",
    "after DOS line ends": "x = 1\r\n\r\n1 / 0\r\n",
    "after a byte order mark": "\ufeffprint('x')\n1 / 0\n",
    "after a coding line": "# -*- coding: utf-8 -*-\nprint('ü')\n1 / 0\n",
    "of bytes warnings": "import warnings\nwarnings.warn('look out')\ndef f():\n    warnings.warn('deep', stacklevel=2)\nf()\n",
    "of a deprecation": "import warnings\nwarnings.warn('old', DeprecationWarning)\n",
}

HOOKS = {
    "an exception hook": """
        import sys
        def hook(kind, value, trace): print("hook:", kind.__name__, value, trace.tb_lineno)
        sys.excepthook = hook
        1 / 0
    """,
    "an exception hook that fails": """
        import sys
        def hook(*_): raise ValueError("in the hook")
        sys.excepthook = hook
        1 / 0
    """,
    "an exception hook that exits": "import sys\nsys.excepthook = lambda *_: sys.exit(8)\n1 / 0",
    "no exception hook": "import sys\ndel sys.excepthook\n1 / 0",
    "exit handlers": """
        import atexit
        atexit.register(print, "registered first")
        atexit.register(print, "registered last")
        print("end")
    """,
    "exit handlers after an exception": "import atexit\natexit.register(print, 'handler')\n1 / 0",
    "exit handlers after sys.exit": "import atexit, sys\natexit.register(print, 'handler')\nsys.exit(3)",
    "an exit handler that fails": "import atexit\natexit.register(lambda: 1 / 0)\natexit.register(print, 'other')",
    "an exit handler that exits": "import atexit, sys\natexit.register(sys.exit, 3)\nprint('end')",
    "threads that outlive the main one": """
        import threading, time
        def work():
            while threading.main_thread().is_alive():
                time.sleep(0.001)
            print("thread")
        threading.Thread(target=work).start()
        print("main")
    """,
    "threads and exit handlers": """
        import atexit, threading
        gate = threading.Event()
        atexit.register(print, "handler")
        threading.Thread(target=lambda: (gate.wait(), print("thread"))).start()
        threading.Timer(0.01, gate.set).start()
        print("main")
    """,
    "a daemon thread": """
        import threading, time
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        print("main")
    """,
    "an executor": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        pool.submit(print, "submitted")
        pool.submit(print, "submitted")
    """,
    "finalizers": """
        import weakref
        class Thing: pass
        thing = Thing()
        weakref.finalize(thing, print, "finalized")
        print("end")
    """,
    "an object that is alive at the end": """
        class Thing:
            def __del__(self): print("gone")
        thing = Thing()
        print("end")
    """,
    "objects in a cycle at the end": """
        class Thing:
            def __del__(self): print("gone")
        thing = Thing()
        thing.itself = thing
        del thing
        print("end")
    """,
    "a generator that is suspended at the end": """
        def numbers():
            try:
                yield 1
            finally:
                print("closed")
        numbers = numbers()
        next(numbers)
        print("end")
    """,
}

STREAMS = {
    "input()": "print('before')\nname = input('name? ')",
    "sys.stdin": "import sys\nprint(repr(sys.stdin.read()), list(sys.stdin), sys.stdin.isatty(), sys.stdin.fileno())",
    "reading lines": "for line in open(0): print(line)\nprint('end')",
    "properties of the streams": """
        import sys
        for stream in sys.stdin, sys.stdout, sys.stderr:
            print(stream.name, stream.mode, stream.encoding, stream.errors, stream.isatty(), stream.fileno())
            print(stream.closed, stream.readable(), stream.writable(), stream.write_through, stream.newlines)
        print(sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__, sys.stdin is sys.__stdin__)
    """,
    "bytes": "import sys\nsys.stdout.buffer.write(b'\\xff\\x00bytes\\n')\nsys.stdout.write('text\\n')\nsys.stdout.buffer.flush()",
    "text that is no text": "print('\\udcff')\nprint('\\ud800')",
    "text that is no text on stderr": "import sys\nprint('\\udcff\\ud800', file=sys.stderr)",
    "mixed with writes": "import os\nprint('a', end='')\nos.write(1, b'b')\nprint('c')",
    "reconfigured": "import sys\nsys.stdout.reconfigure(errors='replace', encoding='ascii')\nprint('ü')",
    "detached": """
        import io, sys
        sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8")
        print("ü")
    """,
    "replaced": "import io, sys\nsys.stdout = io.StringIO()\nprint('lost')",
    "redirected": """
        import contextlib, io
        with contextlib.redirect_stdout(io.StringIO()) as out:
            print("caught")
        print(repr(out.getvalue()))
    """,
    "stdout closed at the end": "import sys\nprint('kept')\nsys.stdout.close()",
    "stderr closed at the end": "import sys\nsys.stderr.close()",
    "stdout is nothing": "import sys\nsys.stdout = None\nprint('lost')",
    "stdout is gone": "import sys\ndel sys.stdout",
    "print after stdout was closed": "import sys\nsys.stdout.close()\nprint('lost')",
    "an exception after stderr was closed": "import sys\nsys.stderr.close()\n1 / 0",
    "an exception when stderr is nothing": "import sys\nsys.stderr = None\n1 / 0",
    "words for sys.exit after stderr was closed": "import sys\nsys.stderr.close()\nsys.exit('lost')",
    "print after descriptor 1 was closed": "import os\nos.close(1)\nprint('lost')",
    "a stdout that is full at the end": "import sys\nsys.stdout = open('/dev/full', 'w')\nprint('lost')",
    "a stdout whose flush fails": """
        import sys
        class Odd:
            def write(self, text): pass
            def flush(self): raise OSError("no")
        sys.stdout = Odd()
    """,
    "a stdout that must be flushed": """
        import sys
        sys.stdout = open(1, "w", buffering=10000, closefd=False)
        print("flushed at the end")
    """,
    "the device": "open('/dev/stdout', 'w').write('through the device\\n')\nopen('/dev/stderr', 'w').write('also\\n')",
}

MODULES = {
    "names of the main module": """
        print(__name__, __file__, __doc__, __package__, __spec__, __cached__)
        print(sorted(set(globals()) - {"__annotations__"}))
        import builtins, sys
        print(__builtins__ is builtins, sys.modules["__main__"].__dict__ is globals())
    """,
    "a docstring": "'''What it does.'''\nprint(__doc__)",
    "annotations": "x: int = 1\ny: str\nprint(__annotations__)",
    "the main guard": "def main(): print('ran')\nif __name__ == '__main__': main()",
    "arguments": "import sys\nprint(sys.argv)",
    "the module path": "import sys\nprint(sys.path[0])\nprint('' in sys.path, '/' in sys.path, len(sys.path) == len(set(sys.path)))",
    "a module of the user's": "open('helper.py', 'w').write('x = 42')\nimport helper\nprint(helper.x, helper.__file__)",
    "a package of the user's called app": """
        import os
        os.mkdir("app")
        open("app/__init__.py", "w").write("print('the app', __file__)")
        open("app/runner.py", "w").write("x = 1")
        import app, app.runner
        from app import runner
        print(runner.x)
    """,
    "no app but the user's": "import sys\nprint([name for name in sys.modules if name.startswith('app')])\nimport app",
    "the environment": """
        import os
        print(sorted((name, value) for name, value in os.environ.items() if name != "LC_CTYPE"))
        os.system("echo $HOME")
        os.environ["NEW"] = "new"
        os.system("echo $NEW")
    """,
    "the directory": "import os, pathlib\nprint(os.getcwd(), pathlib.Path.cwd(), pathlib.Path.home())",
    "the interpreter": """
        import gc, locale, signal, sys, threading
        print(sys.executable, sys.prefix, sys.flags.optimize, sys.flags.isolated, sys.getrecursionlimit())
        print(gc.isenabled(), gc.get_threshold(), gc.get_freeze_count() >= 0, sys.gettrace(), sys.getprofile())
        print(threading.current_thread(), threading.active_count(), threading.main_thread().name)
        print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGCHLD))
        print(locale.getpreferredencoding(), sys.getfilesystemencoding(), locale.setlocale(locale.LC_CTYPE))
    """,
    "the future": "from __future__ import annotations\nimport typing\nclass A:\n    x: 'B'\nprint(A.__annotations__)",
    "no future of ours": "def f(x: 1 + 1): pass\nprint(f.__annotations__)",
    "dataclasses": """
        from dataclasses import dataclass, field
        @dataclass(order=True, slots=True)
        class Point:
            x: int
            tags: list[str] = field(default_factory=list)
        print(Point(1), Point(1) < Point(2), Point.__module__)
    """,
    "pickle": """
        import copy, pickle
        class Thing:
            def __init__(self, x): self.x = x
        def function(): return 1
        print(pickle.loads(pickle.dumps(Thing(7))).x, pickle.loads(pickle.dumps(function))(), copy.deepcopy(Thing(8)).x)
        print(Thing, function.__module__)
    """,
    "source of a function": "import inspect\ndef f(x):\n    '''Doc.'''\n    return x\nprint(inspect.getsource(f), inspect.getfile(f))",
    "source of a class": "import inspect\nclass A:\n    x = 1\n    def f(self): pass\nprint(inspect.getsource(A), inspect.getsourcelines(A.f))",
    "source of the caller": "import inspect\nframe = inspect.stack()[0]\nprint(frame.filename, frame.lineno, frame.code_context, len(inspect.stack()))",
    "type hints": "import typing\nclass A:\n    other: 'A'\nprint(typing.get_type_hints(A))",
    "enums": "from enum import Enum, auto\nclass C(Enum):\n    RED = auto()\nprint(C.RED, repr(C.RED), list(C))",
    "logging": "import logging\nlogging.warning('w')\nlogging.basicConfig(level=logging.INFO)\nlogging.getLogger('x').info('i')",
    "doctest": "import doctest\ndef f():\n    '''\n    >>> f()\n    2\n    '''\n    return 1\nprint(doctest.testmod().failed)",
    "unittest": """
        import sys, unittest
        class Test(unittest.TestCase):
            def test(self): self.assertEqual(1, 2)
        result = unittest.main(exit=False, testRunner=unittest.TextTestRunner(stream=open("log", "w"))).result
        print(result.testsRun, len(result.failures))
    """,
    "asyncio": "import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    return 1\nprint(asyncio.run(main()))",
    "an async program in error": "import asyncio\nasync def main():\n    1 / 0\nasyncio.run(main())",
    "sqlite": "import sqlite3\ndb = sqlite3.connect('d.db')\ndb.execute('create table t (x)')\nprint(db.execute('select * from t').fetchall())",
    "temporary files": "import tempfile, os\nwith tempfile.NamedTemporaryFile() as f:\n    print(os.path.exists(f.name))",
    "zip files": "import zipfile\nwith zipfile.ZipFile('a.zip', 'w') as z:\n    z.writestr('x', 'y')\nprint(zipfile.ZipFile('a.zip').namelist())",
    "time zones": "import datetime, zoneinfo\nprint(datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo('Europe/Berlin')))",
    "eval and exec": "x = 1\nexec('x += 1')\nprint(eval('x'), [x for _ in range(1)])",
    "class scope": "x = 1\nclass A:\n    y = [x for _ in range(2)]\nprint(A.y, A.__qualname__)",
    "the main module imported": "import __main__\nx = 5\nprint(__main__.x, __main__)",
}

PROCESSES = {
    "subprocess": """
        import subprocess, sys
        print(subprocess.run(["echo", "x"], capture_output=True, text=True).stdout)
        print(subprocess.run([sys.executable, "-c", "import sys; print(sys.path[1:]); print(input())"],
              input="in", capture_output=True, text=True).stdout)
        print(subprocess.call("exit 3", shell=True), subprocess.getoutput("echo out"))
    """,
    "os.popen": "import os\nprint(os.popen('echo x').read(), os.system('exit 2'))",
    "fork": "import os\npid = os.fork()\nif pid == 0:\n    print('child')\n    os._exit(3)\nprint(os.waitpid(pid, 0)[1])",
    "fork and a normal end": "import os, sys\nif os.fork():\n    os.wait()\n    print('parent')\nelse:\n    print('child')\nsys.exit(0)",
    "fork and an exception in the child": "import os\nif os.fork():\n    print(os.wait()[1])\nelse:\n    1 / 0",
    "wait without children": "import os\nos.wait()",
    **{
        f"multiprocessing by {method}": f"""
            import multiprocessing
            def square(x): return x * x
            def show(queue): queue.put(__name__)
            if __name__ == "__main__":
                multiprocessing.set_start_method("{method}")
                with multiprocessing.Pool(2) as pool:
                    print(pool.map(square, range(5)))
                queue = multiprocessing.Queue()
                process = multiprocessing.Process(target=show, args=(queue,))
                process.start()
                print(queue.get())
                process.join()
                print(process.exitcode)
        """
        for method in ("fork", "spawn", "forkserver")
    },
    "a process pool": """
        from concurrent.futures import ProcessPoolExecutor
        def double(x): return 2 * x
        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as pool:
                print(list(pool.map(double, range(3))))
    """,
    "an exception in a worker": """
        import multiprocessing
        def fail(x): raise ValueError(x)
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(1) as pool:
                try:
                    pool.map(fail, [7])
                except ValueError as error:
                    print("caught", error)
    """,
    "a process that is not joined": """
        import multiprocessing, time
        def work(parent):
            parent.wait()
            print("worker")
        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            event = context.Event()
            context.Process(target=work, args=(event,)).start()
            print("main")
            event.set()
    """,
    "exec": "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'print(\"another\")'])",
}

FILES = {
    "a file that is not closed": "f = open('out.txt', 'w')\nf.write('text')\n",
    "a file that is not closed before an exception": "f = open('out.txt', 'w')\nf.write('text')\n1 / 0",
    "a file that is not closed before sys.exit": "import sys\nf = open('out.txt', 'w')\nf.write('text')\nsys.exit(0)",
    "a file that a function left open": """
        import csv
        def start():
            writer = csv.writer(open("out.txt", "w"))
            writer.writerow([1, 2])
            return writer
        writer = start()
    """,
    "a file that an object left open": """
        class Report:
            def __init__(self): self.file = open("out.txt", "w")
            def add(self, line): self.file.write(line)
        report = Report()
        report.add("text")
    """,
    "a file in a cycle": """
        class Report: pass
        report = Report()
        report.itself = report
        report.file = open("out.txt", "w")
        report.file.write("text")
        del report
    """,
    "a compressed file that is not closed": "import gzip\nf = gzip.open('out.txt', 'wt')\nf.write('text')",
    "an archive that is not closed": "import zipfile\nz = zipfile.ZipFile('out.txt', 'w')\nz.writestr(zipfile.ZipInfo('name'), 'text')",
    "a file of a module of the user's": """
        open("helper.py", "w").write("log = open('out.txt', 'w')\\nlog.write('text')")
        import helper
    """,
    "a log file": "import logging\nlogging.basicConfig(filename='out.txt', format='%(message)s')\nlogging.error('text')",
    "standard output in a file": "import sys\nsys.stdout = open('out.txt', 'w')\nprint('text')",
}

PROGRAMS = {
    f"{topic}: {name}": source
    for topic, table in {
        "end": ENDS, "traceback": TRACEBACKS, "hook": HOOKS, "stream": STREAMS, "module": MODULES,
        "process": PROCESSES, "file": FILES,
    }.items()
    for name, source in table.items()
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What one can see of a program that has ended."""

    stdout: str
    stderr: str
    code: int | None
    out_txt: bytes | None


def dedent(source: str) -> str:
    """Take the table's indentation away, line by line: ``textwrap`` would change odd line ends."""
    lines = source.lstrip("\n").split("\n") if source.startswith("\n") else [source]
    indent = len(lines[0]) - len(lines[0].lstrip(" "))
    return "\n".join(line[indent:] if line[:indent].isspace() else line for line in lines).rstrip(" ")


def warm(bench: Bench, source: str) -> Outcome:
    reply = bench.python(source, "first", "second argument")
    return Outcome(reply.stdout, reply.stderr, reply.code, left_by_program(bench.workspace))


def plain(bench: Bench, source: str) -> Outcome:
    (bench.workspace / "main.py").write_bytes(source.encode("utf-8", "surrogatepass"))
    command = [str(bench.host.python), "-u", "main.py", "first", "second argument"]
    done = subprocess.run(
        command, cwd=bench.workspace, env=bench.env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    code = 128 - done.returncode if done.returncode < 0 else done.returncode
    out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    return Outcome(out, err, code, left_by_program(bench.workspace))


def left_by_program(workspace: Path) -> bytes | None:
    """Read ``out.txt``, and empty the workspace for the next run."""
    path = workspace / "out.txt"
    content = path.read_bytes() if path.exists() else None
    subprocess.run(["rm", "-rf", *workspace.iterdir()], check=True)
    return content


@pytest.mark.parametrize("source", PROGRAMS.values(), ids=PROGRAMS)
def test_warm_and_plain_are_the_same(bench: Bench, source: str) -> None:
    """Output, errors, exit code and what is in the file left open: nobody can tell which interpreter it was."""
    text = dedent(source)
    bench.env["PYTHONUNBUFFERED"] = "1"
    bench.env["PYTHONDONTWRITEBYTECODE"] = "1"
    expected = plain(bench, text)
    assert warm(bench, text) == expected
