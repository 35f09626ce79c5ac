"""A workspace has a limited size."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.core.protocols import Sandbox
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import bash, beside, output, paths, python
from tests.engine.conformance.base import Base, Facts


class Space(Base):
    """A workspace has a limited size."""

    async def test_a_workspace_holds_no_more_bytes_than_its_limit(self, sandbox: Sandbox, facts: Facts) -> None:
        """Writing stops with "no space left", the reply reports it, and after deleting there is space again."""
        source = f"""
import errno, os
written = 0
try:
    with open("fill", "wb", buffering=0) as fill:
        while written < {2 * facts.workspace_bytes}:
            written += fill.write(bytes(1 << 16))
except OSError as error:
    print(errno.errorcode[error.errno], written <= {facts.workspace_bytes}, written > {facts.workspace_bytes // 2})
"""
        reply = await sandbox.exchange(python(source, artifact_bytes=1))
        assert (reply.ending, reply.stdout) == (Ending.OK, "ENOSPC True True\n")
        assert await output(sandbox, bash("rm fill; echo x > y; cat y")) == "x\n"

    async def test_no_trick_gets_bytes_past_the_limit(self, sandbox: Sandbox, facts: Facts) -> None:
        """Deleted files that are still open, closed directories and several files all count."""
        source = f"""
import os
written, kept = 0, []
os.mkdir("closed")
os.chdir("closed")
os.chmod(".", 0)
os.chdir(os.environ["HOME"])
try:
    for number in range(1000):
        fill = open(f"fill{{number}}", "wb", buffering=0)
        kept.append(fill)
        os.unlink(fill.name)
        for _ in range(16):
            written += fill.write(bytes(1 << 16))
        if written > {2 * facts.workspace_bytes}:
            break
except OSError:
    pass
print(written <= {facts.workspace_bytes})
"""
        assert (await sandbox.exchange(python(source))).stdout == "True\n"
        assert await output(sandbox, bash("head -c 1000000 /dev/zero > x; wc -c < x")) == "1000000\n"

    @pytest.mark.parametrize("make", ["open(name, 'w').close()", "os.mkdir(name)", "os.symlink('x', name)"])
    async def test_a_workspace_holds_no_more_files_than_its_limit(
        self, sandbox: Sandbox, facts: Facts, make: str
    ) -> None:
        """Files, directories and links count; the reply reports the limit, and after deleting there is space again."""
        source = f"""
import errno, os
made = 0
try:
    for number in range({2 * facts.workspace_files}):
        name = f"f{{number}}"
        {make}
        made += 1
except OSError as error:
    print(errno.errorcode[error.errno], made <= {facts.workspace_files})
"""
        reply = await sandbox.exchange(python(source))
        assert (reply.ending, reply.stdout) == (Ending.OK, "ENOSPC True\n")
        assert await output(sandbox, bash("rm -r f*; echo x > y; cat y")) == "x\n"

    async def test_a_full_workspace_still_runs_programs(self, sandbox: Sandbox, facts: Facts) -> None:
        """A program whose text does not fit beside the user's files runs from elsewhere, and no part of it stays."""
        fills = {
            "bytes": f"head -c {2 * facts.workspace_bytes} /dev/zero > fill 2> /dev/null; echo done",
            "files": f"touch $(seq {2 * facts.workspace_files}) 2> /dev/null; echo done",
        }
        for fill, source in fills.items():
            assert await output(sandbox, bash(source)) == "done\n"
            reply = await sandbox.exchange(beside(f"# {'x' * 10000}\necho ran; ls | grep main; true"))
            assert (reply.ending, reply.stdout, paths(reply)) == (Ending.OK, "ran\n", []), fill
            assert await output(sandbox, bash("ls -A | grep main; rm -r *; true")) == ""
