"""Each value of ``Ending`` occurs by its rule, and by no other."""

from __future__ import annotations

import signal

import pytest

from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Program
from tests.runner.host import Bench

KiB = 1024
MiB = 1024 * KiB


def test_a_program_that_exits_with_0_ends_ok(bench: Bench) -> None:
    """Exit code 0 is the ending OK, with no signal."""
    reply = bench.bash("echo done")
    assert (reply.ending, reply.code, reply.signal, reply.stdout) == (Ending.OK, 0, None, "done\n")


@pytest.mark.parametrize("code", [1, 3, 127, 255])
def test_another_exit_code_is_the_ending_exit(bench: Bench, code: int) -> None:
    """The program's own code is passed on."""
    reply = bench.bash(f"echo kept; exit {code}")
    assert (reply.ending, reply.code, reply.signal, reply.stdout) == (Ending.EXIT, code, None, "kept\n")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGINT])
def test_a_signal_that_is_not_ours_is_the_ending_signal(bench: Bench, number: signal.Signals) -> None:
    """A program killed by a signal has that signal's name and the shell's code for it."""
    reply = bench.bash(f"echo kept; kill -{number.value} $$")
    assert (reply.ending, reply.code, reply.signal, reply.stdout) == (
        Ending.SIGNAL, 128 + number, number.name, "kept\n",
    )  # fmt: skip


def test_a_signal_without_a_name_is_told_by_its_number(bench: Bench) -> None:
    """Real-time signals have no names of their own; a run that ends by one is reported all the same."""
    reply = bench.bash("kill -40 $$")
    assert (reply.ending, reply.code, reply.signal) == (Ending.SIGNAL, 168, "SIG40")


def test_the_wall_clock_limit_keeps_what_was_printed(bench: Bench) -> None:
    """A program over its time is killed, and its output until then is in the reply, of both streams."""
    reply = bench.bash("echo out; echo err >&2; printf partial; exec sleep 1000", wall_seconds=1.0)
    assert (reply.ending, reply.signal) == (Ending.TIME, "SIGKILL")
    assert (reply.stdout, reply.stderr) == ("out\npartial", "err\n")


def test_python_over_its_time_keeps_what_was_printed(bench: Bench) -> None:
    """The warm interpreter buffers no output, not even an unfinished line."""
    reply = bench.python("print('line'); print('partial', end=''); import time; time.sleep(1000)", wall_seconds=1.0)
    assert (reply.ending, reply.stdout) == (Ending.TIME, "line\npartial")


def test_a_program_that_ignores_every_signal_it_can_is_ended_too(bench: Bench) -> None:
    """The time limit does not depend on the program's consent."""
    source = "trap '' TERM INT HUP XCPU; echo armed; while :; do sleep 1000; done"
    reply = bench.bash(source, wall_seconds=1.0)
    assert (reply.ending, reply.stdout) == (Ending.TIME, "armed\n")


def test_the_cpu_limit_is_a_time_limit(bench: Bench) -> None:
    """A program that uses up its CPU time ends as one that uses up its wall time does."""
    reply = bench.bash("echo kept; while :; do :; done", cpu_seconds=1, wall_seconds=50)
    assert (reply.ending, reply.signal, reply.stdout) == (Ending.TIME, "SIGXCPU", "kept\n")


@pytest.mark.parametrize(("stream", "redirect"), [("stdout", ""), ("stderr", ">&2")])
def test_too_much_output_ends_the_program(bench: Bench, stream: str, redirect: str) -> None:
    """A stream over its cap ends a program that would never end; what fits under the cap is kept, of both streams."""
    limits = {f"{stream}_bytes": 100 * KiB}
    reply = bench.bash(f"echo first; echo second >&2; exec yes {redirect}", **limits)
    kept = {"stdout": len(reply.stdout), "stderr": len(reply.stderr)}
    assert (reply.ending, reply.overflowed) == (Ending.OUTPUT, stream)
    assert kept[stream] == 100 * KiB
    assert reply.stdout.startswith("first\n")
    assert reply.stderr.startswith("second\n")


def test_output_of_exactly_the_cap_is_no_overflow(bench: Bench) -> None:
    """Output of exactly the cap is allowed."""
    reply = bench.bash("head -c 4096 /dev/zero | tr '\\0' x", stdout_bytes=4096)
    assert (reply.ending, reply.overflowed, len(reply.stdout)) == (Ending.OK, None, 4096)


def test_an_overflow_found_after_the_end_is_told(bench: Bench) -> None:
    """One byte over the cap counts even if the program ended before the check."""
    reply = bench.bash("head -c 4097 /dev/zero | tr '\\0' x", stdout_bytes=4096)
    assert (reply.ending, reply.overflowed, len(reply.stdout)) == (Ending.OUTPUT, "stdout", 4096)


def test_a_language_that_is_not_installed_is_told_in_words(bench: Bench) -> None:
    """A missing tool is exit code 127 and a sentence on stderr with the language and the tool."""
    reply = bench.program(Program("x", "main.zz", "scratch", run=["no-such-tool", "{source}"], language="zz"))
    assert (reply.ending, reply.code) == (Ending.EXIT, 127)
    assert "'zz'" in reply.stderr
    assert "no-such-tool" in reply.stderr


def test_a_missing_compiler_is_told_before_anything_runs(bench: Bench) -> None:
    """The compiler counts as a tool of the language; the program is not started without it."""
    program = Program("x", "main.zz", "scratch", compile=["no-such-tool"], run=["touch", "ran"], language="zz")
    reply = bench.program(program)
    assert (reply.code, reply.changed) == (127, [])


def test_a_failed_compilation_is_the_last_step(bench: Bench) -> None:
    """The compiler's exit code and output are the run's, and the program is not started."""
    compiler = ["bash", "-c", "echo 'main.zz:1: error' >&2; exit 2"]
    reply = bench.program(Program("x", "main.zz", "scratch", compile=compiler, run=["touch", "ran"]))
    assert (reply.ending, reply.code, reply.stderr, reply.changed) == (Ending.EXIT, 2, "main.zz:1: error\n", [])


def test_a_compiled_program_runs_from_the_scratch_directory(bench: Bench) -> None:
    """Compilation and run share the time, the scratch directory and the streams; warnings come before output."""
    program = Program(
        "echo from the program $1", "main.zz", "scratch",
        compile=["bash", "-c", "echo warning >&2; cp {source} {scratch}/program; chmod +x {scratch}/program"],
        run=["bash", "{scratch}/program"], args=["{x}"],
    )  # fmt: skip
    reply = bench.program(program)
    assert (reply.ending, reply.stdout, reply.stderr) == (Ending.OK, "from the program {x}\n", "warning\n")


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [("true", 127, "No such file"), ("echo x > {scratch}/program", 126, "Permission denied")],
)
def test_a_program_that_cannot_be_executed_is_told(bench: Bench, make: str, code: int, words: str) -> None:
    """A missing or unexecutable file: 127 or 126 as in a shell, and the reason on stderr."""
    program = Program("x", "main.zz", "scratch", compile=["bash", "-c", make], run=["{scratch}/program"])
    reply = bench.program(program)
    assert (reply.ending, reply.code) == (Ending.EXIT, code)
    assert words in reply.stderr


def test_an_argument_that_is_too_long_is_told(bench: Bench) -> None:
    """The kernel refuses single arguments over 128 KiB; that ends the program, not the runner."""
    reply = bench.bash("echo", "x" * 200 * KiB)
    assert (reply.ending, reply.code) == (Ending.EXIT, 126)
    assert "too long" in reply.stderr


def test_watched_memory_over_its_limit_ends_the_program(bench: Bench) -> None:
    """Without a control group the runner ends a program over its memory limit; its output is kept."""
    source = f"print('kept'); x = bytearray({200 * MiB}); import time; time.sleep(1000)"
    reply = bench.python(source, memory_bytes=100 * MiB)
    assert (reply.ending, reply.signal, reply.stdout) == (Ending.MEMORY, "SIGKILL", "kept\n")


def test_watched_memory_counts_all_processes(bench: Bench) -> None:
    """The memory of a program's children counts too."""
    source = f"""
import multiprocessing, time
def hold():
    x = bytearray({60 * MiB})
    time.sleep(1000)
context = multiprocessing.get_context("fork")
for _ in range(3):
    context.Process(target=hold).start()
"""
    assert bench.python(source, memory_bytes=120 * MiB).ending == Ending.MEMORY


def test_watched_memory_below_its_limit_is_left_alone(bench: Bench) -> None:
    """A program below the limit runs to its end, and its peak is reported."""
    reply = bench.python(f"x = bytearray({50 * MiB}); print(len(x))", memory_bytes=200 * MiB)
    assert reply.ending == Ending.OK
    assert reply.peak_memory_bytes > 50 * MiB


def test_figures_of_the_run_are_told(bench: Bench) -> None:
    """The reply carries the CPU time of all processes, the wall time and the request's nonce."""
    reply = bench.bash("for i in {1..20000}; do :; done; (for i in {1..20000}; do :; done)")
    assert reply.cpu_seconds > 0
    assert reply.wall_seconds > 0
    assert reply.nonce == "n"
