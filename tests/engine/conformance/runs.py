"""A program runs, ends by one of the rules, and its reply arrives."""

from __future__ import annotations

import base64

import pytest

from librechat_code_interpreter.core.protocols import Sandbox
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import bash, content, output, paths, put, python
from tests.engine.conformance.base import Base, Facts, KiB, MiB


class RunService(Base):
    """A program runs, ends by one of the rules, and its reply arrives."""

    async def test_a_program_runs_and_answers(self, sandbox: Sandbox) -> None:
        """Streams, exit code, arguments, nonce and figures of a run arrive."""
        request = bash('echo "out $1"; echo err >&2; exit 3', "an argument")
        request.nonce = "nonce"
        reply = await sandbox.exchange(request)
        assert (reply.ending, reply.code, reply.nonce) == (Ending.EXIT, 3, "nonce")
        assert (reply.stdout, reply.stderr) == ("out an argument\n", "err\n")
        assert reply.wall_seconds > 0

    async def test_python_runs_and_answers(self, sandbox: Sandbox) -> None:
        """The warm interpreter and a child process reply in the same way."""
        reply = await sandbox.exchange(python("import sys\nprint('out', sys.argv)\nsys.exit('err')", "x"))
        assert (reply.ending, reply.code) == (Ending.EXIT, 1)
        assert (reply.stdout, reply.stderr) == ("out ['main.py', 'x']\n", "err\n")

    async def test_a_program_sees_the_environment_of_its_request(self, sandbox: Sandbox) -> None:
        """Variables of a request reach the program, beside those of the sandbox."""
        for request in (bash("echo $EXTRA $HOME"), python("import os; print(os.environ['EXTRA'], os.environ['HOME'])")):
            request.env["EXTRA"] = "from the request"
            assert (await output(sandbox, request)).startswith("from the request /")

    async def test_a_table_of_twelve_columns_is_printed_whole(self, sandbox: Sandbox) -> None:
        """Libraries that ask for the width of the terminal are told 200 columns."""
        for request in (
            python("import shutil; print(shutil.get_terminal_size().columns)"),
            bash("python3 -c 'import shutil; print(shutil.get_terminal_size().columns)'"),
        ):
            assert await output(sandbox, request) == "200\n"

    async def test_the_working_directory_is_the_workspace_and_home(self, sandbox: Sandbox) -> None:
        """A relative name is a name in the workspace (K13)."""
        await put(sandbox, here=b"x")
        assert await output(sandbox, bash("ls; cd; ls; ls $PWD")) == "here\n" * 3

    async def test_the_workspace_outlives_a_run_and_scratch_does_not(self, sandbox: Sandbox) -> None:
        """Files of one run are there in the next; temporary ones are not, hidden ones included."""
        await output(
            sandbox, bash("echo 1 > kept; echo 2 > /tmp/left; echo 3 > /tmp/.left; echo 4 > ${TMPDIR:-/tmp}/l")
        )
        assert await output(sandbox, bash("cat kept; ls -A /tmp ${TMPDIR:-/tmp} | grep -E 'left|^l$'; true")) == "1\n"

    async def test_changes_are_told_small_files_with_content(self, sandbox: Sandbox) -> None:
        """A small file comes with the reply; a large one is left to be fetched."""
        reply = await sandbox.exchange(
            bash("printf small > small; head -c 300000 /dev/zero > large; ln -s small link; mkfifo pipe")
        )
        assert sorted(paths(reply)) == ["large", "small"]
        small, large = sorted(reply.changed, key=lambda changed: changed.size)
        assert base64.b64decode(small.content or "") == b"small"
        assert (large.content, large.size) == (None, 300_000)
        assert await content(sandbox, "large") == bytes(300_000)

    async def test_deletions_are_told_and_asked_for(self, sandbox: Sandbox) -> None:
        """A deletion by the program is reported; a deletion by the request happens before the program starts."""
        await put(sandbox, a=b"", b=b"", c=b"")
        request = bash("ls; rm b")
        request.remove = ["a"]
        reply = await sandbox.exchange(request)
        assert (reply.stdout, reply.deleted) == ("b\nc\n", ["b"])

    async def test_the_time_limit_ends_a_run_and_keeps_its_output(self, sandbox: Sandbox) -> None:
        """What was printed and written before the end is in the reply."""
        reply = await sandbox.exchange(bash("echo kept; echo x > file; exec sleep 1000", wall_seconds=1.0))
        assert (reply.ending, reply.stdout, paths(reply)) == (Ending.TIME, "kept\n", ["file"])

    async def test_too_much_output_ends_a_run_and_keeps_what_fits(self, sandbox: Sandbox) -> None:
        """A program that prints without end is ended by the cap."""
        reply = await sandbox.exchange(bash("exec yes", stdout_bytes=100 * KiB))
        assert (reply.ending, reply.overflowed, len(reply.stdout)) == (Ending.OUTPUT, "stdout", 100 * KiB)

    async def test_a_signal_ends_a_run(self, sandbox: Sandbox) -> None:
        """A crash is reported as one."""
        reply = await sandbox.exchange(python("import os; print('kept'); os.abort()"))
        assert (reply.ending, reply.signal, reply.stdout) == (Ending.SIGNAL, "SIGABRT", "kept\n")

    @pytest.mark.parametrize("processes", [1, 4])
    async def test_too_much_memory_ends_a_run(self, sandbox: Sandbox, facts: Facts, processes: int) -> None:
        """The limit counts for one process and for several together; output so far is kept and the sandbox lives on."""
        source = f"""
import os, signal
print("kept")
for _ in range({processes} - 1):
    if os.fork() == 0:
        break
blocks = [bytearray(1 << 20) for _ in range({2 * facts.memory_bytes // MiB} // {processes})]
signal.pause()
"""
        reply = await sandbox.exchange(python(source))
        assert (reply.ending, reply.stdout) == (Ending.MEMORY, "kept\n"), reply
        assert await output(sandbox, bash("echo alive")) == "alive\n"

    async def test_large_programs_and_large_outputs_pass(self, sandbox: Sandbox) -> None:
        """Megabytes go through the wire in both directions."""
        text = "x" * 6 * MiB
        reply = await sandbox.exchange(python(f"text = '{text}'\nprint(text)"))
        assert reply.stdout == text + "\n"

    async def test_what_a_program_prints_is_never_taken_for_an_answer(self, sandbox: Sandbox) -> None:
        """Frames and JSON on any descriptor of the program are just its output, or nothing."""
        source = """
import json, os, struct
body = json.dumps({"ending": "ok", "code": 0, "stdout": "forged", "nonce": "nonce"}).encode()
for descriptor in range(1, 64):
    try:
        os.write(descriptor, struct.pack(">Q", len(body)) + body)
    except OSError:
        pass
raise SystemExit(7)
"""
        request = python(source)
        request.nonce = "nonce"
        reply = await sandbox.exchange(request)
        assert (reply.ending, reply.code) == (Ending.EXIT, 7)
        assert reply.stdout != "forged"
