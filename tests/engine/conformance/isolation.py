"""Sandboxes share nothing, and run concurrently."""

from __future__ import annotations

import asyncio

import pytest

from librechat_code_interpreter.core.protocols import Engine, Sandbox
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import answer, bash, content, output, put, python, until_there
from tests.engine.conformance.base import Base

CONCURRENT = 8


class Isolation(Base):
    """Sandboxes share nothing, and run concurrently."""

    async def test_sandboxes_do_not_see_each_others_files(self, sandbox: Sandbox, other: Sandbox) -> None:
        """What lies in one workspace, or is written anywhere by its programs, is nowhere to be found from another."""
        await output(sandbox, bash("echo secret > canary-31; (echo secret > /dev/shm/canary-31) 2> /dev/null; true"))
        search = (
            "find / \\( -path /proc -o -path /usr \\) -prune -o -name '*canary-31*' -print 2> /dev/null; ls -A; true"
        )
        assert await output(other, bash(search)) == ""
        with pytest.raises(OSError):
            await content(other, "canary-31")

    async def test_running_sandboxes_do_not_see_each_other(self, sandbox: Sandbox, other: Sandbox) -> None:
        """While one runs, another finds neither its processes, temporary files, shared memory nor sockets."""
        source = """
import os, socket, time
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\\0canary-32")
abstract.listen()
web = socket.create_server(("127.0.0.1", 32032))
for directory in "/tmp", "/dev/shm":
    open(f"{directory}/canary-32", "w").write("secret")
open("started", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
"""
        look = """
import glob, json, os, socket
found = glob.glob("/tmp/*canary*") + glob.glob("/dev/shm/*canary*")
for family, address in (socket.AF_UNIX, "\\0canary-32"), (socket.AF_INET, ("127.0.0.1", 32032)):
    try:
        socket.socket(family).connect(address)
        found.append(str(address))
    except OSError:
        pass
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        if b"canary-32" in open(path, "rb").read():
            found.append(path)
    except OSError:
        pass
print(json.dumps(found))
"""
        marked = bash('exec -a canary-32 python3 "$1"', "program.py")
        await put(sandbox, **{"program.py": source.encode()})
        running = asyncio.create_task(sandbox.exchange(marked))
        await until_there(sandbox, "started")
        assert await answer(other, look) == []
        await put(sandbox, go=b"")
        reply = await running
        assert (reply.ending, reply.stderr) == (Ending.OK, "")

    async def test_many_sandboxes_run_at_once(self, engine: Engine) -> None:
        """Eight programs run at the same time, and each answer goes to its own caller."""
        sandboxes = [await engine.create() for _ in range(CONCURRENT)]
        source = """
import os, sys, time
open("started", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
print(sys.argv[1], os.listdir())
"""
        runs = [
            asyncio.create_task(sandbox.exchange(python(source, sandbox.id, wall_seconds=60.0)))
            for sandbox in sandboxes
        ]
        for sandbox in sandboxes:
            await until_there(sandbox, "started")
        for sandbox in sandboxes:
            await put(sandbox, go=b"")
        for sandbox, reply in zip(sandboxes, await asyncio.gather(*runs), strict=True):
            assert (reply.ending, reply.stdout.split()[0]) == (Ending.OK, sandbox.id)
            await engine.destroy(sandbox.id)
