"""A program's environment: directory, home, locale, what is private and what ends with the run (K13, K22)."""

from __future__ import annotations

import pytest

from tests.contract.caller import Caller, file_named, names

SHOW_PLOT = """
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.show()
plt.figure()
plt.plot([3, 2, 1])
plt.show()
1 / 0
"""


async def test_both_names_of_the_workspace_are_one_directory(caller: Caller) -> None:
    """K13: /workspace and /mnt/data show the same files; /mnt/data is the working directory and HOME."""
    code = "echo one > /workspace/one.txt; cat /mnt/data/one.txt one.txt ~/one.txt; pwd; echo $HOME"
    answer = await caller.exec(code, "bash")
    assert answer["stdout"] == "one\none\none\n/mnt/data\n/mnt/data\n"
    assert names(answer) == ["one.txt"]


@pytest.mark.parametrize(
    ("lang", "code"),
    [
        ("py", "import os; print(os.getcwd(), os.path.expanduser('~'))"),
        ("js", "console.log(process.cwd(), require('os').homedir())"),
        ("ts", "console.log(process.cwd(), process.env.HOME as string)"),
        ("bash", "echo $PWD $HOME"),
    ],
)
async def test_every_language_starts_in_the_workspace(caller: Caller, lang: str, code: str) -> None:
    """K13, K22: working directory and HOME are /mnt/data in every language."""
    assert (await caller.exec(code, lang))["stdout"] == "/mnt/data /mnt/data\n"


async def test_the_locale_is_c_utf8_with_english_messages(caller: Caller) -> None:
    """K22: programs read and write UTF-8, and errors are in English."""
    code = """locale 2>&1 | grep -E 'LC_ALL'; ls /nowhere; python3 -c 'print("é", open("ü.txt", "w").encoding)'"""
    answer = await caller.exec(code, "bash")
    assert "LC_ALL=C.UTF-8" in answer["stdout"]
    assert "é UTF-8" in answer["stdout"]
    assert "No such file or directory" in answer["stderr"]


async def test_tmp_is_private_and_gone_after_the_call(caller: Caller) -> None:
    """K22: files in /tmp are not visible to the next call of the same session, and are no outputs."""
    first = await caller.exec("echo left > /tmp/left.txt; ls /tmp", "bash")
    assert "left.txt" in first["stdout"]
    assert first["files"] == []
    second = await caller.exec("ls -A /tmp /dev/shm", "bash", session_id=first["session_id"])
    assert "left" not in second["stdout"]


async def test_background_processes_die_with_the_call(caller: Caller) -> None:
    """K22: a detached daemon writes nothing after the answer, and does not exist in the next call."""
    daemon = "(setsid sh -c 'while :; do echo x >> beat; sleep 0.01; done' >/dev/null 2>&1 &)"
    first = await caller.exec(f"touch beat; {daemon}; echo started", "bash")
    assert first["stdout"] == "started\n"
    beats = await caller.output(first, "beat")
    second = await caller.exec("stat -c %s beat; pgrep -c sleep", "bash", session_id=first["session_id"])
    assert second["stdout"].split() == [str(len(beats)), "0"]


async def test_a_program_that_leaves_a_child_with_its_streams_still_ends(caller: Caller) -> None:
    """K22: a child that keeps stdout open does not delay the answer."""
    answer = await caller.exec("sleep 600 & echo done", "bash", timeout=30_000)
    assert (answer["stdout"], answer.get("status")) == ("done\n", None)


async def test_there_is_no_network(caller: Caller) -> None:
    """K22: no address outside the sandbox can be reached, and no name is resolved."""
    code = """
import socket
for target in (("192.0.2.1", 80), ("127.0.0.1", 8000), ("example.org", 80)):
    try:
        socket.create_connection(target, timeout=2)
        print("reached", target)
    except OSError as error:
        print("no")
"""
    assert (await caller.exec(code))["stdout"] == "no\nno\nno\n"


async def test_bash_has_the_tools_that_librechat_names(caller: Caller) -> None:
    """K22: python3, cat and jq."""
    code = """echo '{"a": [1, 2]}' > in.json; cat in.json | jq -c '.a | map(. * 2)'; python3 -c 'print(6 * 7)'"""
    answer = await caller.exec(code, "bash")
    assert (answer["stdout"], answer["stderr"]) == ("[2,4]\n42\n", "")


async def test_plt_show_leaves_pictures_and_line_numbers_stay_true(caller: Caller) -> None:
    """K22: each plt.show() leaves a PNG, matplotlib uses Agg, and a later traceback names the user's own line."""
    answer = await caller.exec(SHOW_PLOT)
    pictures = names(answer)
    assert len(pictures) == 2 and all(name.endswith(".png") for name in pictures)
    for name in pictures:
        content = await caller.content(answer["session_id"], file_named(answer, name)["id"])
        assert content.startswith(b"\x89PNG")
    assert "line 8, in <module>" in answer["stderr"]
    assert "1 / 0" in answer["stderr"]
    backend = await caller.exec("import matplotlib.pyplot as plt; print(plt.get_backend().lower())")
    assert backend["stdout"] == "agg\n"


async def test_stdin_is_empty(caller: Caller) -> None:
    """K22: a program that reads its input gets end of file, and does not hang."""
    answer = await caller.exec("import sys; print(repr(sys.stdin.read())); input()")
    assert answer["stdout"] == "''\n"
    assert "EOFError" in answer["stderr"]


async def test_a_run_finds_a_fresh_interpreter(caller: Caller) -> None:
    """K22: nothing of an earlier program stays in memory, and random numbers differ from run to run."""
    code = "import builtins, os, random, numpy\nprint(hasattr(builtins, 'mark'), 'MARK' in os.environ)\n"
    code += "builtins.mark = 1; os.environ['MARK'] = '1'\nprint(random.random(), numpy.random.rand())"
    first = await caller.exec(code)
    second = await caller.exec(code, session_id=first["session_id"])
    assert first["stdout"].splitlines()[0] == second["stdout"].splitlines()[0] == "False False"
    drawn = [number for run in (first, second) for number in run["stdout"].splitlines()[1].split()]
    assert len(set(drawn)) == 4
