"""A large Python program in a here-document behaves as with ``python3 -``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from librechat_code_interpreter.runner import stdin_program
from tests.runner.host import Bench

LARGE = "x" * (stdin_program.MIN_CHARS + 1)
SHOW = """import sys
print(len(payload), sys.argv, sys.path[0] == '', repr(sys.stdin.read()), __name__, '__file__' in globals())"""


def heredoc(program: str, after: str = "\n", opening: str = "python3 - <<'PY'") -> str:
    """Write a program with a large line as LibreChat's helper does."""
    return f"{opening}\npayload = '{LARGE}'\n{program}\nPY{after}"


def test_a_large_program_is_the_same_program(bench: Bench) -> None:
    """Its arguments, module path, stdin and names are those of ``python3 -``."""
    assert bench.bash(heredoc(SHOW)).stdout == f"{len(LARGE)} ['-'] True '' __main__ False\n"


def test_its_names_are_its_own(bench: Bench) -> None:
    """No trace of the mechanism is among its globals."""
    shown = "print(sorted(name for name in globals() if not name.startswith('__')))"
    assert bench.bash(heredoc(shown)).stdout == "['payload']\n"


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("def f(: pass", 1, "SyntaxError"),
        ("from __future__ import annotations", 1, "SyntaxError"),
    ],
)
def test_it_ends_in_the_same_way(bench: Bench, program: str, code: int, said: str) -> None:
    """Exit codes and errors are those of the program, and tracebacks name ``<stdin>`` with its line."""
    reply = bench.bash(heredoc(program))
    assert reply.code == code and said in reply.stderr
    assert "Error" not in said or 'File "<stdin>", line 2' in reply.stderr


@pytest.mark.parametrize(
    "source",
    [
        heredoc("pass", opening="python3 - <<PY"),  # the shell expands it
        heredoc("pass", opening="python3 - arg <<'PY'"),
        heredoc("pass", opening="cat <<'PY'"),
        heredoc("pass", opening="x=1; python3 - <<'PY'"),
        heredoc("pass", after="\necho more\n"),
        heredoc("pass", after="X\n"),
        f"python3 - <<'PY'\nprint('{LARGE}')\n",
        "python3 - <<'PY'\nprint(1)\nPY\n",
        f"echo {LARGE}",
    ],
)
def test_any_other_program_stays_as_it_is(tmp_path: Path, source: str) -> None:
    """Only a script that is one large quoted here-document for ``python3 -`` is read from a file."""
    assert stdin_program.read_from_file(source, str(tmp_path)) == source
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", ["", "\n", "\n\n  \n"])
def test_what_python_reads_is_the_here_document(tmp_path: Path, after: str) -> None:
    """Byte for byte what bash passes to a program, up to the line with the tag."""
    source = heredoc("# ü \\ $HOME `x` 'PY'\n PY\nPYX\n", after)
    changed = stdin_program.read_from_file(source, str(tmp_path))
    shown = source.replace("python3 -", "cat", 1)
    by_bash = subprocess.run(["bash"], input=shown, capture_output=True, text=True, check=True)
    assert changed != source
    assert (tmp_path / "stdin").read_text() == by_bash.stdout
