"""Python that a program starts runs in a fork with packages loaded, and behaves as a new interpreter does."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from tests.engine.asking import bash, python

pytestmark = pytest.mark.asyncio(loop_scope="session")

COLD = "ulimit -Ss 4096\n"
"""Bash line after which every Python needs an interpreter of its own: its stack limit is another one."""

IS_WARM = "import sys; print('numpy' in sys.modules)\nimport numpy"

STARTS = {
    "-c": f"python3 -c '{IS_WARM}'".replace("'numpy'", '"numpy"'),
    "here-document": f"python3 - <<'PY'\n{IS_WARM}\nPY",
    "here-document without a dash": f"python3 <<'PY'\n{IS_WARM}\nPY",
    "pipe": f"printf '%s\\n' \"{IS_WARM}\" | python",
    "file": f"cat > a.py <<'PY'\n{IS_WARM}\nPY\npython3 a.py",
    "unbuffered": f"cat > a.py <<'PY'\n{IS_WARM}\nPY\npython3 -u a.py",
    "executable file": f"cat > a.py <<'PY'\n#!/usr/bin/env python3\n{IS_WARM}\nPY\nchmod +x a.py; ./a.py",
    "timeout": f"cat > a.py <<'PY'\n{IS_WARM}\nPY\ntimeout 20 python3 a.py",
    "xargs": f"cat > a.py <<'PY'\n{IS_WARM}\nPY\necho a.py | xargs python3",
    "module of its own": (
        "printf 'import numpy' > helper.py\npython3 -c 'import sys; print(\"numpy\" in sys.modules); import helper'"
    ),
    "child of Python": (
        f"cat > a.py <<'PY'\n{IS_WARM}\nPY\n"
        "python3 -c 'import subprocess, sys; subprocess.run([sys.executable, \"a.py\"])'"
    ),
    "ignored interrupt": f"cat > a.py <<'PY'\n{IS_WARM}\nPY\ntrap '' INT; python3 a.py",
    "background": f"cat > a.py <<'PY'\n{IS_WARM}\nPY\npython3 a.py & wait",
    "subshell in the background": f"cat > a.py <<'PY'\n{IS_WARM}\nPY\n(python3 a.py) & wait",
}

UNUSUAL = {
    "isolated": "-I",
    "no site": "-S -c 'import sys; print(\"numpy\" in sys.modules)' #",
    "module": "-m timeit -n1 -r1 'import numpy' >/dev/null; python3 -b",
    "optimized": "-O",
    "warnings": "-W error",
}

PROGRAMS = {
    "exit code": "python3 -c 'import numpy, sys; sys.exit(7)'; echo $?",
    "exit text": "python3 -c 'import numpy, sys; sys.exit(\"no\")'; echo $?",
    "traceback of -c": "python3 -c 'import numpy\n1/0'; echo $?",
    "traceback of stdin": "python3 - <<'PY'\nimport numpy\ndef f():\n    return 1/0\nf()\nPY\necho $?",
    "traceback of a file": "printf 'import numpy\\ndef f():\\n    return 1/0\\nf()\\n' > a.py; python3 a.py; echo $?",
    "syntax error in a file": "printf 'import numpy\\nx = = 1\\n' > a.py; python3 a.py; echo $?",
    "syntax error in -c": "python3 -c 'import numpy\nx = = 1'; echo $?",
    "syntax error in stdin": "python3 <<'PY'\nimport numpy\nx = = 1\nPY\necho $?",
    "warning": "printf 'import numpy, warnings\\nwarnings.warn(\"old\")\\n' > a.py; python3 a.py",
    "arguments": "python3 -c 'import numpy, sys; print(sys.argv, sys.orig_argv)' a 'b c' -x",
    "arguments of stdin": "python3 - a b <<'PY'\nimport numpy, sys\nprint(sys.argv, sys.orig_argv)\nPY",
    "module path": "mkdir d; printf 'import numpy, sys; print(sys.path)' > d/a.py; python3 d/a.py",
    "module path of -c": "python3 -c 'import numpy, sys; print(sys.path)'",
    "globals": (
        "printf 'import numpy\\nprint(sorted(k for k in globals()), __name__, __file__, __spec__)' > a.py; python3 a.py"
    ),
    "globals of -c": "python3 -c 'import numpy\nprint(sorted(globals()), __name__, __spec__)'",
    "globals of stdin": "echo 'import numpy; print(sorted(globals()), __name__)' | python3",
    "order": "python3 -c 'import numpy, sys\nfor i in range(3): print(i); print(i, file=sys.stderr)' 2>&1",
    "order with the shell": "echo a; python3 -c 'import numpy; print(1)'; echo b; python3 -c 'import numpy; print(2)'",
    "pipe on both sides": "seq 5 | python3 -c 'import numpy, sys; print(numpy.sum([int(x) for x in sys.stdin]))' | cat",
    "rest of stdin": "printf 'one\\ntwo\\n' > in; python3 -c 'import numpy; print(input(), input())' < in",
    "stdin is at its end": "python3 - <<'PY'\nimport numpy, sys\nprint(repr(sys.stdin.read()))\nPY",
    "shared stdin": "printf 'a\\nb\\n' | { read x; python3 -c 'import numpy, sys; print(sys.stdin.read())'; echo $x; }",
    "append": "echo a > f; python3 -c 'import numpy; print(1)' >> f; echo b >> f; cat f",
    "closed stdout": "python3 -c 'import numpy, sys; print(sys.stdout)' >&-; echo $?",
    "closed pipe": "python3 -c 'import numpy\nfor i in range(100000): print(i)' | head -2; echo ${PIPESTATUS[0]}",
    "process substitution": "python3 -c 'import numpy, sys; print(open(sys.argv[1]).read())' <(echo inside)",
    "descriptor 5": "exec 5> five; python3 -c 'import numpy, os; os.write(5, b\"x\")'; cat five",
    "directory": "mkdir d; cd d; python3 -c 'import numpy, os; print(os.getcwd())'; ls -a",
    "environment": "export A=1; B=2 python3 -c 'import numpy, os; print(sorted(os.environ.items()))'",
    "empty environment": "env -i /opt/sandbox/bin/python3 -c 'import numpy, os; print(sorted(os.environ))'",
    "umask": 'umask 077; python3 -c \'import numpy; open("f", "w")\'; stat -c %a f',
    "time zone": "TZ=Asia/Tokyo python3 -c 'import numpy, time; print(time.localtime(0).tm_hour)'",
    "process ids": "python3 -c 'import numpy, os; print(os.getpid(), os.getppid())' & echo $! $$; wait",
    "set -e": "set -e; python3 -c 'import numpy, sys; sys.exit(3)'; echo never",
    "a signal to itself": "python3 -c 'import numpy, os, signal; os.kill(os.getpid(), signal.SIGTERM)'; echo $?",
    "segmentation fault": "python3 -c 'import numpy, ctypes; ctypes.string_at(0)' 2>/dev/null; echo $?",
    "a signal from the shell": (
        "python3 -c 'import numpy, signal, sys, time\n"
        "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(9))\n"
        'open("ready", "w")\n'
        "while True: time.sleep(0.05)' & while [ ! -e ready ]; do sleep 0.02; done; kill -USR1 $!; wait $!; echo $?"
    ),
    "time-out": "timeout 0.5 python3 -c 'import numpy, time; time.sleep(60)'; echo $?",
    "killed": (
        'python3 -c \'import numpy, time; open("ready", "w"); time.sleep(1); open("late", "w")\' & '
        "while [ ! -e ready ]; do sleep 0.02; done; kill -9 $!; wait $!; echo $?; sleep 1.2; ls"
    ),
    "ignored signal": "trap '' TERM; python3 -c 'import numpy, signal; print(signal.getsignal(15))'",
    "background": "python3 -c 'import numpy, signal; print(signal.getsignal(2))' & wait",
    "descriptor limit": "ulimit -n 64; python3 -c 'import numpy, resource; print(resource.getrlimit(7))'",
    "file size limit": 'ulimit -f 1; python3 -c \'import numpy; open("f", "w").write("x" * 9999)\'; echo $?',
    "exit handlers": 'python3 -c \'import numpy, atexit; atexit.register(print, "bye"); print("hi")\'',
    "fork": "python3 -c 'import numpy, os\nif os.fork() == 0: print(os.getppid() > 1); os._exit(0)\nos.wait()'",
    "multiprocessing": (
        "cat > a.py <<'PY'\nimport numpy, multiprocessing\ndef f(x): return x * x\nif __name__ == '__main__':\n"
        "    with multiprocessing.Pool(2) as pool: print(pool.map(f, range(4)))\nPY\npython3 a.py"
    ),
    "threads": "python3 -c 'import numpy, threading; threading.Thread(target=print, args=(1,)).start()'",
    "buffered": "env -u PYTHONUNBUFFERED python3 -c 'import numpy, os; print(1); os.write(1, b\"2\\n\")'",
    "streams": (
        "python3 -c 'import numpy, sys\nfor s in (sys.stdin, sys.stdout, sys.stderr): print(s, s.line_buffering)'"
    ),
    "bytes that are no text": "printf '\\xff' | python3 -c 'import numpy, sys; print(ascii(sys.stdin.read()))'",
    "a module hides a package": "echo 'x = 5' > numpy.py; python3 -c 'import numpy; print(numpy.x)'",
    "a virtual environment": (
        "python3 -m venv --without-pip v; v/bin/python -c 'import sys; print(sys.prefix); import numpy' 2>&1 | tail -1"
    ),
    "jq, awk and Python": (
        "echo '{\"a\": [1, 2]}' | jq -c .a | python3 -c 'import numpy, json, sys\n"
        "print(numpy.sum(json.load(sys.stdin)))' | awk '{print $1 * 2}'"
    ),
}


@pytest.mark.parametrize("program", STARTS.values(), ids=STARTS)
async def test_packages_are_loaded(sandbox: LocalSandbox, program: str) -> None:
    """However Python is started: a program that imports a package finds it loaded; with other limits it does not."""
    clean = "rm -rf -- *\n"
    assert (await sandbox.exchange(bash(clean + program))).stdout == "True\n"
    assert (await sandbox.exchange(bash(clean + COLD + program))).stdout == "False\n"


@pytest.mark.parametrize("options", UNUSUAL.values(), ids=UNUSUAL)
async def test_unusual_options_have_an_interpreter_of_their_own(sandbox: LocalSandbox, options: str) -> None:
    """Options that change the interpreter are honoured, so the packages are not loaded."""
    program = 'import sys; print("numpy" in sys.modules)\nimport numpy'
    assert (await sandbox.exchange(bash(f"python3 {options} -c '{program}'"))).stdout == "False\n"


async def test_an_ignored_signal_of_the_c_library(sandbox: LocalSandbox) -> None:
    """Programs below make have one of the two signals ignored that the C library keeps for itself."""
    ignore = """
import ctypes, os, platform, struct
call = {"x86_64": 13, "aarch64": 134}[platform.machine()]
for number in (32, 33):
    assert ctypes.CDLL(None).syscall(call, number, struct.pack("4Q", 1, 0, 0, 0), None, 8) == 0
os.execvp("python3", ["python3", "a.py"])
"""
    program = f"cat > a.py <<'PY'\n{IS_WARM}\nPY\npython3 - <<'PY'{ignore}PY\n"
    reply = await sandbox.exchange(bash(program))
    assert reply.stdout == "True\n", reply.stderr


async def test_many_at_once(sandbox: LocalSandbox) -> None:
    """More programs than the server accepts connections all run."""
    start = "for i in $(seq 6); do python3 -c 'import numpy; print(1)' & done; wait"
    connect = (
        "import socket, time; wires = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(60)]\n"
        "for wire in wires: wire.connect(chr(0) + 'sandbox-python')\n"
        "open('connected', 'w'); time.sleep(2)"
    )
    idle = f'rm -f connected; python3 -c "{connect}" & while [ ! -e connected ]; do sleep 0.02; done; '
    for program in (start, idle + start):
        assert sorted((await sandbox.exchange(bash(program))).stdout) == sorted("1\n" * 6)


async def test_requests_that_are_none_harm_nobody(sandbox: LocalSandbox) -> None:
    """What a program sends the fork server itself is refused; the next program is served."""
    source = """
import array, os, socket
def ask(message, *descriptors):
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    wire.connect(chr(0) + "sandbox-python")
    wire.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])
    return wire.recv(8)[:1]
memory = os.memfd_create("x")
os.write(memory, b"no marshal")
here = os.open(".", os.O_RDONLY)
print(ask(b"."), ask(b".", here), ask(b".", memory, here), ask(b".", here, memory), ask(b".", *[here] * 100))
"""
    program = f"cat > a.py <<'PY'\n{source}PY\npython3 a.py\n{STARTS['-c']}"
    reply = await sandbox.exchange(bash(program))
    assert reply.stdout == "b'' b'' b'e' b'e' b'e'\nTrue\n", reply.stderr


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
async def test_a_fork_behaves_as_a_new_interpreter(sandbox: LocalSandbox, program: str) -> None:
    """Both give the same output, errors and exit code, byte for byte."""
    results = []
    for prefix in ("true\n", COLD):
        reply = await sandbox.exchange(bash(f"rm -rf -- *\n{prefix}{program}"))
        results.append((reply.stdout, reply.stderr, reply.code))
    assert results[0] == results[1]


async def test_a_child_of_a_python_program_finds_packages_loaded(sandbox: LocalSandbox) -> None:
    """A program that itself imports nothing may start Python, too."""
    child = 'import sys; print("numpy" in sys.modules); import numpy'
    source = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)"
    assert (await sandbox.exchange(python(source))).stdout == "True\n"
