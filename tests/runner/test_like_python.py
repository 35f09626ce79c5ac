"""A program in the warm interpreter behaves as `python3 -u main.py` does: each program of ``programs``, run both ways.

Both runs have the same workspace, environment and arguments, so that even tracebacks have to be equal, character by
character. What differs on purpose is in ``test_warm_python``, with the reason.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.runner.host import Bench
from tests.runner.programs import PROGRAMS

# Of these only the output, the code and the files are compared: what Python itself says there is about its own insides.
OUTCOME_ONLY = {
    "end: sys.exit(object that cannot be printed)",
    "hook: an exception hook that fails",
    "hook: no exception hook",
    "hook: an exit handler that exits",
    "stream: an exception after stderr was closed",
    "stream: words for sys.exit after stderr was closed",
    "stream: a stdout that is full at the end",
    "stream: a stdout whose flush fails",
}
DIFFERENT_EACH_TIME = [
    (r"0x[0-9a-f]+", "0x…"),  # addresses
    (r"started \d+", "started …"),  # thread ids
    (r"repeated \d+ more times", "repeated … more times"),  # a few frames of ours are on the stack already
    (r"\^+", "^"),  # 3.11 underlines a syntax error in two ways, depending on who prints it
]


@dataclass(frozen=True)
class Outcome:
    """The visible results of a program that has ended."""

    stdout: str
    stderr: str
    code: int | None
    out_txt: bytes | None


def dedent(source: str) -> str:
    """Remove the table's indentation, line by line: ``textwrap`` would change odd line ends."""
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


def comparable(outcome: Outcome, *, is_stderr_compared: bool) -> Outcome:
    """Remove what differs from run to run."""
    texts = [outcome.stdout, outcome.stderr if is_stderr_compared else ""]
    for pattern, stand_in in DIFFERENT_EACH_TIME:
        texts = [re.sub(pattern, stand_in, text) for text in texts]
    return replace(outcome, stdout=texts[0], stderr=texts[1])


@pytest.mark.parametrize("name", PROGRAMS)
def test_warm_and_plain_are_the_same(bench: Bench, name: str) -> None:
    """Output, errors, exit code and the file left open are the same in both interpreters."""
    text = dedent(PROGRAMS[name])
    bench.env.update(PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")
    is_stderr_compared = name not in OUTCOME_ONLY
    expected = comparable(plain(bench, text), is_stderr_compared=is_stderr_compared)
    assert comparable(warm(bench, text), is_stderr_compared=is_stderr_compared) == expected
