"""Cases in which other servers failed (issue 2)."""

from __future__ import annotations

import pytest

from tests.contract.caller import Caller, names, old_ref


async def test_sys_exit_keeps_the_output(caller: Caller) -> None:
    """K18: sys.exit(0) after a print is an ordinary end; the output and files are there."""
    answer = await caller.exec("import sys\nopen('a.txt', 'w').write('a')\nprint('kept')\nsys.exit(0)")
    assert (answer["stdout"], answer["stderr"], answer["code"]) == ("kept\n", "", 0)
    assert names(answer) == ["a.txt"]


async def test_subprocess_output_arrives_in_order(caller: Caller) -> None:
    """K19: output of subprocesses stays between the program's own lines, as on a terminal."""
    code = """
import subprocess
print("one")
subprocess.run(["echo", "two"])
print("three")
subprocess.run("echo four; echo five", shell=True)
print("six")
print(subprocess.run(["echo", "seven"], capture_output=True, text=True).stdout, end="")
"""
    assert (await caller.exec(code))["stdout"].split() == ["one", "two", "three", "four", "five", "six", "seven"]


@pytest.mark.parametrize(
    ("code", "name", "start"),
    [
        ("import zipfile\nwith zipfile.ZipFile('a.zip', 'w') as z: z.writestr('in.txt', 'x')", "a.zip", b"PK"),
        ("import numpy as np\nnp.savetxt('a.csv', np.eye(2), delimiter=',', fmt='%d')", "a.csv", b"1,0\n0,1\n"),
        ("import pathlib\npathlib.Path('a.txt').touch()", "a.txt", b""),
        ("import shutil\nopen('/tmp/x', 'w').write('x')\nshutil.copy('/tmp/x', 'a.txt')", "a.txt", b"x"),
        ("import shutil\nopen('/tmp/x', 'w').write('x')\nshutil.copy2('/tmp/x', 'a.txt')", "a.txt", b"x"),
        ("import os\nopen('/tmp/x', 'w').write('x')\nos.system('mv /tmp/x a.txt')", "a.txt", b"x"),
        ("import pandas as pd\npd.DataFrame({'a': [1]}).to_excel('a.xlsx')", "a.xlsx", b"PK"),
        ("import sqlite3\nc = sqlite3.connect('a.db')\nc.execute('create table t (x)')\nc.commit()", "a.db", b"SQLite"),
        ("import os\nos.umask(0o777)\nopen('a.txt', 'w').write('x')", "a.txt", b"x"),
    ],
)
async def test_files_come_out_however_they_were_made(caller: Caller, code: str, name: str, start: bytes) -> None:
    """K20: files that open() did not make are outputs, also when they are empty or older than the run."""
    answer = await caller.exec(code)
    assert (answer["stderr"], names(answer)) == ("", [name])
    assert (await caller.output(answer, name)).startswith(start)


async def test_a_file_older_than_the_run_comes_out(caller: Caller) -> None:
    """K20: a copy that keeps its source's time (cp -p, tar, unzip) is a new file."""
    answer = await caller.exec("touch -d 2001-01-01 /tmp/x; cp -p /tmp/x old.txt", "bash")
    assert names(answer) == ["old.txt"]


async def test_no_name_is_taken_for_something_internal(caller: Caller) -> None:
    """K20, K21: names starting with ``code`` or ``main``, and what lies in dist/, build/, tmp/ or output/."""
    made = ["code.py", "code_report.txt", "main.txt", "dist/app.js", "build/out.txt", "tmp/a.txt", "output/b.txt"]
    paths = " ".join(made)
    answer = await caller.exec(f"mkdir dist build tmp output; for f in {paths}; do echo $f > $f; done", "bash")
    assert names(answer) == sorted(made)


async def test_one_basename_in_two_directories_is_two_files(caller: Caller) -> None:
    """K11, K20: two files with one basename in different directories, as outputs and as inputs."""
    first = await caller.exec("mkdir a b; echo 1 > a/x.txt; echo 2 > b/x.txt; echo 0 > x.txt", "bash")
    assert names(first) == ["a/x.txt", "b/x.txt", "x.txt"]
    refs = [old_ref(first["session_id"], file["id"], file["name"]) for file in first["files"]]
    assert (await caller.exec("cat a/x.txt b/x.txt x.txt", "bash", files=refs))["stdout"] == "1\n2\n0\n"


@pytest.mark.parametrize("lang", ["py", "js", "bash"])
async def test_white_space_around_the_output_is_kept(caller: Caller, lang: str) -> None:
    """K19: leading and trailing blanks and newlines are kept."""
    text = "\n  indented\n\tand tabbed \n\n"
    code = {
        "py": f"import sys; sys.stdout.write({text!r})",
        "js": "process.stdout.write('\\n  indented\\n\\tand tabbed \\n\\n')",
        "bash": "printf '\\n  indented\\n\\tand tabbed \\n\\n'",
    }
    assert (await caller.exec(code[lang], lang))["stdout"] == text


async def test_indented_code_and_odd_newlines_are_the_users(caller: Caller) -> None:
    """K22: the source runs as it was sent: CRLF, tabs, a BOM, quotes and dollar signs."""
    for code, printed in [
        ("if True:\r\n\tprint('crlf')\r\n", "crlf\n"),
        ("\ufeffprint('bom')", "bom\n"),
        ("print('''$HOME `ls` \\\\ \"''')", '$HOME `ls` \\ "\n'),
        ("# -*- coding: utf-8 -*-\nprint('ä€😀')", "ä€😀\n"),
    ]:
        answer = await caller.exec(code)
        assert (answer["stdout"], answer["stderr"]) == (printed, "")


async def test_a_main_guard_and_child_processes_work(caller: Caller) -> None:
    """K22: ``if __name__ == "__main__"``, multiprocessing, threads and asyncio behave as in a plain python3."""
    code = """
import asyncio, multiprocessing, threading

def square(n):
    return n * n

if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(square, [1, 2, 3]))
    thread = threading.Thread(target=print, args=("thread",)); thread.start(); thread.join()
    asyncio.run(asyncio.sleep(0))
    print(__file__)
"""
    answer = await caller.exec(code)
    assert answer["stdout"] == "[1, 4, 9]\nthread\n/mnt/data/main.py\n", answer["stderr"]
