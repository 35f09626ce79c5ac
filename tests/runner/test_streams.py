"""Output arrives as it was written; stdin is empty."""

from __future__ import annotations

from pathlib import Path

from librechat_code_interpreter.runner.endings import Ending
from tests.runner.host import Bench

MiB = 1024 * 1024


def test_the_streams_are_separate_and_unchanged(bench: Bench) -> None:
    """Each stream contains what was written to it, leading whitespace and missing newline included."""
    reply = bench.bash("printf '  \\n out '; printf '\\terr' >&2")
    assert (reply.stdout, reply.stderr) == ("  \n out ", "\terr")


def test_both_streams_may_be_large(bench: Bench) -> None:
    """A program that fills both streams, one after the other and mixed, never waits for a reader."""
    source = f"""
import sys
sys.stderr.write("e" * {3 * MiB})
sys.stdout.write("o" * {3 * MiB})
for _ in range(200):
    sys.stderr.write("e" * 1000)
    sys.stdout.write("o" * 1000)
"""
    reply = bench.python(source)
    assert reply.ending == Ending.OK
    assert reply.stdout == "o" * (3 * MiB + 200_000)
    assert reply.stderr == "e" * (3 * MiB + 200_000)


def test_what_children_print_arrives_in_order(bench: Bench) -> None:
    """Python's own output and that of programs it starts keep the order in which they were written."""
    source = """
import os, subprocess
print("one")
subprocess.run(["echo", "two"])
print("three", end=" ")
os.system("echo four")
os.write(1, b"five\\n")
print("six")
"""
    assert bench.python(source).stdout == "one\ntwo\nthree four\nfive\nsix\n"


def test_bytes_that_are_not_text_show_as_replacements(bench: Bench) -> None:
    """Output with invalid UTF-8 does not break the reply; the rest of it is intact."""
    reply = bench.bash(r"printf 'a\xff\xfeb\0c\xc3'")
    assert reply.stdout == "a\ufffd\ufffdb\0c\ufffd"


def test_a_character_cut_by_the_cap_shows_as_a_replacement(bench: Bench) -> None:
    """The cap counts bytes; a character cut in half is no error."""
    reply = bench.bash("printf 'äöü'", stdout_bytes=3)
    assert (reply.ending, reply.stdout) == (Ending.OUTPUT, "ä\ufffd")


def test_stdin_is_empty(bench: Bench) -> None:
    """A program that reads gets end of file at once, in any language."""
    assert bench.bash("cat; read x || echo nothing").stdout == "nothing\n"
    assert bench.python("import sys; print(repr(sys.stdin.read()), sys.stdin.fileno())").stdout == "'' 0\n"


def test_a_program_inherits_its_three_streams_and_nothing_else(bench: Bench) -> None:
    """No descriptor of the runner is open in a program: not its connection, not the streams' reading ends."""
    source = "import os; print(sorted(int(name) for name in os.listdir('/proc/self/fd') if name != '3'))"
    assert bench.python(source).stdout == "[0, 1, 2]\n"
    assert bench.python(f"import subprocess; subprocess.run(['python3', '-c', {source!r}])").stdout == "[0, 1, 2]\n"
    assert bench.bash(f'exec python3 -c "{source}"').stdout == "[0, 1, 2]\n"


def test_a_program_may_close_its_streams_early(bench: Bench) -> None:
    """Closing the streams does not end the program; its exit does."""
    reply = bench.bash("echo before; exec 1>&- 2>&-; touch still-here; exit 3")
    assert (reply.ending, reply.code, reply.stdout) == (Ending.EXIT, 3, "before\n")
    assert [file.path for file in reply.changed] == ["still-here"]


def test_a_reader_that_left_ends_a_writer_as_in_a_shell(bench: Bench) -> None:
    """SIGPIPE has its default action in executed programs; Python ignores it, as always."""
    assert bench.bash("yes | head -1; echo ${PIPESTATUS[0]}").stdout == "y\n141\n"
    source = "import signal; print(signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN)"
    assert bench.python(source).stdout == "True\n"


def _ignored() -> int:
    """Return the signals that this process ignores, as the kernel's bit mask."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("SigIgn")), 16)


def test_no_signal_is_blocked_and_only_pythons_own_are_ignored(bench: Bench) -> None:
    """A program starts with the signal state of a fresh shell, whatever the runner's is.

    Signals 32 and 33 are the C library's own; whether they are ignored is inherited from whoever started the tests.
    """
    libc = (1 << 31 | 1 << 32) & _ignored()
    assert bench.bash("grep -E 'SigBlk|SigIgn' /proc/self/status").stdout == (
        f"SigBlk:\t0000000000000000\nSigIgn:\t{libc:016x}\n"
    )
    sigpipe_and_sigxfsz = f"{1 << 12 | 1 << 24 | libc:016x}"
    source = "print(*(line for line in open('/proc/self/status') if line[:6] in ('SigBlk', 'SigIgn')), sep='', end='')"
    assert bench.python(source).stdout == f"SigBlk:\t0000000000000000\nSigIgn:\t{sigpipe_and_sigxfsz}\n"


def test_a_program_leads_its_own_session(bench: Bench) -> None:
    """Signals to its own process group reach the program's processes and not the runner."""
    source = "import os, signal; print(os.getsid(0) == os.getpid()); os.killpg(0, signal.SIGTERM)"
    reply = bench.python(source)
    assert (reply.ending, reply.signal, reply.stdout) == (Ending.SIGNAL, "SIGTERM", "True\n")
