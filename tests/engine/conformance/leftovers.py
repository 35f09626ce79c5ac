"""Whatever a program leaves behind, its processes end and the sandbox stays usable."""

from __future__ import annotations

import asyncio

import pytest

from librechat_code_interpreter.core.protocols import Sandbox
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import bash, beside, content, output, paths, python, until, until_there
from tests.engine.conformance.base import Base


class Leftovers(Base):
    """Whatever a program leaves behind, its processes end and the sandbox stays usable."""

    HOLD_LOCK = """
import fcntl, os, signal, sys
def hold():
    lock = open("lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    open("locked", "w").close()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    while True:
        signal.pause()
"""
    TRY_LOCK = """
import fcntl
try:
    fcntl.flock(open("lock", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("free")
except BlockingIOError:
    print("held")
"""

    async def test_background_processes_end_with_their_run(self, sandbox: Sandbox) -> None:
        """A daemon that has a lock is gone when the reply arrives: the lock is free."""
        source = f"""{self.HOLD_LOCK}
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        hold()
    os._exit(0)
os.wait()
while not os.path.exists("locked"):
    pass
print("left a daemon")
"""
        assert await output(sandbox, python(source)) == "left a daemon\n"
        assert await output(sandbox, python(self.TRY_LOCK)) == "free\n"

    async def test_a_cancelled_run_ends(self, sandbox: Sandbox) -> None:
        """Cancelling kills the program: its lock is free."""
        running = asyncio.create_task(sandbox.exchange(python(self.HOLD_LOCK + "hold()")))
        await until_there(sandbox, "locked")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        async def free() -> bool:
            return await output(sandbox, python(self.TRY_LOCK)) == "free\n"

        await until(free, "the program is dead")

    async def test_odd_rights_do_not_break_a_sandbox(self, sandbox: Sandbox) -> None:
        """A program may remove every permission of its own files; the reply reports them and the next run works."""
        odd = ["mkdir d; echo x > d/f; chmod {0} d", "mkdir -p e/g; chmod {0} e", "echo x > f; chmod {0} f"]
        for way in odd:
            for mode in ("000", "400", "100", "200", "500", "700"):
                reply = await sandbox.exchange(bash(way.format(mode)))
                assert (reply.ending, reply.stderr) == (Ending.OK, ""), (way, mode)
                assert await output(sandbox, bash("chmod -R u+rwx .; rm -r *; echo alive")) == "alive\n"

    @pytest.mark.parametrize("mode", ["000", "400", "100", "200", "500"])
    async def test_odd_rights_of_the_workspace_do_not_break_a_run(self, sandbox: Sandbox, mode: str) -> None:
        """The same for the workspace itself, also for programs whose text lay in it."""
        for request in (bash(f"chmod {mode} ."), beside(f"chmod {mode} .")):
            reply = await sandbox.exchange(request)
            assert (reply.ending, reply.stderr) == (Ending.OK, "")
            assert (await sandbox.exchange(bash("chmod 755 $HOME; echo alive"))).stdout == "alive\n"

    async def test_unreadable_files_are_delivered(self, sandbox: Sandbox) -> None:
        """A file that its owner may not read is still the program's work."""
        reply = await sandbox.exchange(bash("printf small > a; head -c 100000 /dev/zero > b; chmod 000 a b"))
        assert sorted(paths(reply)) == ["a", "b"]
        assert len(await content(sandbox, "b")) == 100_000

    async def test_a_deep_tree_does_not_break_a_sandbox(self, sandbox: Sandbox) -> None:
        """A path longer than PATH_MAX is skipped and reported."""
        source = """
import os
for _ in range(150):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
open("file", "w").close()
"""
        reply = await sandbox.exchange(python(source))
        assert reply.ending == Ending.OK
        assert reply.changed == []
        assert any(item.is_limit for item in reply.left_out)
        assert await output(sandbox, bash("echo alive")) == "alive\n"

    async def test_hostile_names_do_not_break_a_sandbox(self, sandbox: Sandbox) -> None:
        """Names with line ends, escapes or invalid UTF-8 are skipped and reported; the others are delivered."""
        source = r"""
for name in (b"new\nline", b"\xff\xfe", b"esc\x1b[2J", b"back\\slash", b"good"):
    open(name, "w").close()
"""
        reply = await sandbox.exchange(python(source))
        assert paths(reply) == ["good"]
        assert len(reply.left_out) == 4
        assert await output(sandbox, bash("ls | wc -l")) == "6\n"
