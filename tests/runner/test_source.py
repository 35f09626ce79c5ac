"""The program's text lies where its language needs it, and is no file of the user's."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Program, Reply
from tests.runner.host import Bench


def beside(source: str, filename: str = "main.js") -> Program:
    """Make a program whose text lies beside the user's files; bash stands in for JavaScript."""
    return Program(source, filename, "workspace", run=["bash", "{source}"], language="js")


def told(reply: Reply) -> tuple[list[str], list[str]]:
    return [file.path for file in reply.changed], reply.deleted


def test_the_text_lies_beside_the_users_files_for_the_time_of_the_run(bench: Bench) -> None:
    """Imports are resolved from the workspace, in which the file lies; it is removed afterwards."""
    reply = bench.program(beside("echo $0; ls; touch made"))
    assert reply.stdout == f"{bench.workspace}/main.js\nmain.js\n"
    assert told(reply) == (["made"], [])
    assert [path.name for path in bench.workspace.iterdir()] == ["made"]


def test_a_users_file_of_that_name_stays(bench: Bench) -> None:
    """An existing file is kept: the text gets the next free name."""
    for taken in ("main.js", "main-1.js"):
        (bench.workspace / taken).write_text("the user's")
    reply = bench.program(beside("echo $0; cat main.js main-1.js"))
    assert reply.stdout == f"{bench.workspace}/main-2.js\nthe user'sthe user's"
    assert told(reply) == ([], [])
    assert sorted(path.name for path in bench.workspace.iterdir()) == ["main-1.js", "main.js"]


@pytest.mark.parametrize("taken", ["ln -s nowhere main.js", "mkdir main.js", "mkfifo main.js"])
def test_whatever_has_the_name_has_it(bench: Bench, taken: str) -> None:
    """A dangling link, a directory or a pipe of that name is neither followed nor waited for."""
    bench.bash(taken)
    assert bench.program(beside("echo $0")).stdout == f"{bench.workspace}/main-1.js\n"
    assert not (bench.workspace / "nowhere").exists()


@pytest.mark.parametrize(
    "work",
    [
        "echo mine > new; mv new main.js",
        "rm main.js; echo mine > main.js",
        "sleep 0.05; echo mine > main.js; exit 0",  # older kernels tell times apart only every 4 ms
    ],
    ids=["by a rename", "by a new file", "in place"],
)
def test_a_file_that_the_program_put_there_is_kept(bench: Bench, work: str) -> None:
    """A file that the program writes under the name of its own text is an output."""
    reply = bench.program(beside(work))
    assert told(reply) == (["main.js"], [])
    assert (bench.workspace / "main.js").read_text() == "mine\n"


@pytest.mark.parametrize(
    "work", ["rm main.js", "rm main.js; mkdir main.js", "rm main.js; ln -s /etc/passwd main.js", "mv main.js moved.js"]
)
def test_a_program_may_do_away_with_its_text(bench: Bench, work: str) -> None:
    """Whatever replaces the text's file neither breaks the run nor is followed."""
    reply = bench.program(beside(f"{work}; echo done"))
    assert (reply.ending, reply.stdout, reply.deleted) == (Ending.OK, "done\n", [])


@pytest.mark.parametrize("work", ["rm -r $HOME", "rm -r $HOME; touch $HOME"])
def test_a_program_may_do_away_with_the_place_of_its_text(bench: Bench, work: str) -> None:
    """Where the workspace is no mount, a program can replace it; it still gets an answer."""
    reply = bench.program(beside(f"{work}; echo done"))
    assert (reply.ending, reply.stdout, reply.changed) == (Ending.OK, "done\n", [])


def test_the_text_of_other_languages_lies_apart(bench: Bench) -> None:
    """A program in the scratch directory finds the workspace unchanged."""
    (bench.workspace / "main.sh").write_text("the user's")
    reply = bench.bash("ls; case $0 in $PWD/*) echo among; esac")
    assert (reply.stdout, told(reply)) == ("main.sh\n", ([], []))


@pytest.mark.parametrize("place", ["workspace", "scratch"])
def test_the_text_is_written_as_it_came(bench: Bench, place: str) -> None:
    """Line ends, a missing last newline, any character: nothing is translated."""
    source = "a\r\nb\rc\n\x0c\u2028ünï 🎉\0\ud800 no newline"
    run = ["python3", "-c", "import sys; print(ascii(open(sys.argv[1], 'rb').read()))", "{source}"]
    reply = bench.program(Program(source, "main.x", place, run=run))  # type: ignore[arg-type]
    assert reply.stdout == ascii(source.encode("utf-8", "surrogatepass")) + "\n"


def test_a_large_text_is_no_matter(bench: Bench) -> None:
    """The text does not travel on a command line: 8 MiB of it run."""
    assert bench.bash("# " + "x" * (8 << 20) + "\necho ran").stdout == "ran\n"


def test_arguments_reach_the_program_as_they_are(bench: Bench) -> None:
    """Arguments are not expanded, split or formatted."""
    arguments = ("a b", "", "{source}", "$HOME", "*", "-x", "ü\n")
    assert bench.bash('printf "<%s>" "$@"', *arguments).stdout == "".join(f"<{item}>" for item in arguments)
    assert bench.python("import sys; print(sys.argv)", *arguments).stdout == f"{['main.py', *arguments]}\n"
