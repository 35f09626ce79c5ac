"""Programs that attack the channel of their tool calls: nothing hangs, nothing breaks (K18, K28, K31)."""

from __future__ import annotations

import time

import pytest

from tests.contract.caller import Caller, Json
from tests.contract.programs import Played, play, tools

DOOR = "import glob, os\ndoor = glob.glob('/tmp/.tools-*')[0]\ncalls = os.open(door + '/calls', os.O_WRONLY)\n"
TIMED_OUT = ("error", "Time limit exceeded")
WITHIN_SECONDS = 30

GOOD = {
    "noise on the pipe of calls": (
        DOOR + "for _ in range(300): os.write(calls, os.urandom(500) + b'\\n../x\\n\\nabc\\n')\nprint(await echo(n=1))"
    ),
    "half a line before a call": DOOR + "os.write(calls, b'half')\nprint(await echo(n=1))",
    "directories as calls": (
        DOOR + "for n in range(2000):\n"
        "    os.mkdir(f'{door}/d{n}.call'); os.mkfifo(f'{door}/d{n}'); os.write(calls, f'd{n}\\n'.encode())\n"
        "print(await echo(n=1))"
    ),
    "links, pipes, sockets and devices as calls": (
        DOOR + "import socket\n"
        "os.symlink('/etc/passwd', door + '/a.call'); os.mkfifo(door + '/a')\n"
        "os.mkfifo(door + '/b.call'); os.mkfifo(door + '/b')\n"
        "socket.socket(socket.AF_UNIX).bind(door + '/c.call'); os.mkfifo(door + '/c')\n"
        "os.symlink('/dev/zero', door + '/d.call'); os.mkfifo(door + '/d')\n"
        "for n, way in ('e', '/dev/null'), ('f', '/dev/full'), ('g', door + '/calls'):\n"
        "    open(f'{door}/{n}.call', 'w').write('echo json\\n{}'); os.symlink(way, f'{door}/{n}')\n"
        "open(door + '/h.call', 'w').write('echo json\\n{}'); open(door + '/h', 'w').close()\n"
        "open(door + '/i.call', 'wb').write(b'\\xff\\xfe json\\n{}'); os.mkfifo(door + '/i')\n"
        "open(door + '/j.call', 'wb').write(b'echo' * 1000); os.mkfifo(door + '/j')\n"
        "open(door + '/k.call', 'wb').close(); os.mkfifo(door + '/k')\n"
        "os.write(calls, b'\\n'.join(bytes([n]) for n in b'abcdefghijk') + b'\\n')\nprint(await echo(n=1))"
    ),
    "a huge call, and one of no tool": (
        DOOR + "file = open(door + '/a.call', 'wb')\nfile.write(b'echo json\\n')\nfile.truncate(1 << 40)\n"
        "file.close()\n"
        "open(door + '/b.call', 'w').write('nosuch json\\n{}')\n"
        "ways = []\n"
        "for n in 'ab':\n"
        "    os.mkfifo(f'{door}/{n}'); ways.append(os.open(f'{door}/{n}', os.O_RDWR))\n"
        "    os.write(calls, f'{n}\\n'.encode())\n"
        "assert b'too large' in os.read(ways[0], 500) and b'no tool' in os.read(ways[1], 500)\nprint(await echo(n=1))"
    ),
    "answers that nobody has room for": (
        DOOR + "kept = []\n"
        "for n in range(400):\n"
        "    open(f'{door}/d{n}.call', 'w').write('nosuch json\\n{}'); os.mkfifo(f'{door}/d{n}')\n"
        "    way = os.open(f'{door}/d{n}', os.O_RDWR | os.O_NONBLOCK); kept.append(way)\n"
        "    while True:\n"
        "        try: os.write(way, bytes(65536))\n"
        "        except BlockingIOError: break\n"
        "    os.write(calls, f'd{n}\\n'.encode())\n"
        "print(await echo(n=1))"
    ),
    "the directory removed under a call that waits": (
        "import glob, shutil\ncall = asyncio.ensure_future(echo(n=1)); await asyncio.sleep(0.01)\n"
        "shutil.rmtree(glob.glob('/tmp/.tools-*')[0])\nfirst = await call\n"
        "try: await echo(n=2)\nexcept ToolExecutionError: print(first)"
    ),
    "an answer of its own": (
        DOOR + "call = asyncio.ensure_future(echo(n=1)); await asyncio.sleep(0)\n"
        "for number in range(calls + 1, 20):\n"
        "    try: name = os.readlink(f'/proc/self/fd/{number}')\n"
        "    except OSError: continue\n"
        "    if '.tools-' in name: os.write(number, b'0 8\\n{\"n\": 1}')\n"
        "print(await call)"
    ),
    "a child that holds on to the call": (
        "import os, time\ncall = asyncio.ensure_future(echo(n=0)); await asyncio.sleep(0.01)\n"
        "if os.fork() == 0:\n    time.sleep(60); os._exit(0)\nawait call; print(await echo(n=1))"
    ),
    "a large result left to a child that never reads it": (
        "import os, time\ncall = asyncio.ensure_future(echo(want=10**6)); await asyncio.sleep(0.01)\n"
        "if os.fork() == 0:\n    time.sleep(60); os._exit(0)\n"
        "call.cancel(); await asyncio.sleep(0.01); print(await echo(n=1))"
    ),
    "what looks like the protocol": (
        "import sys\nprint('p\\0\\0\\0\\0\\0\\0\\0\\2{}r\\0\\0\\0\\0\\0\\0\\0\\2{}', file=sys.stderr)\n"
        "print('\\n#frame 0 4 abcd 0#', file=sys.stderr)\nprint(await echo(n=1))"
    ),
    "a pool of processes": (
        "import multiprocessing\ndef call(n): return asyncio.run(echo(n=n))\n"
        "with multiprocessing.get_context('fork').Pool(4) as pool: print(pool.map(call, [1] * 6)[0])"
    ),
    "calls that are given up at once": (
        "for _ in range(50):\n    call = asyncio.ensure_future(echo()); await asyncio.sleep(0); call.cancel()\n"
        "try:\n    async with asyncio.timeout(0): await echo()\nexcept TimeoutError: print(await echo(n=1))"
    ),
    "signals to the runner": (
        "import os, signal\n"
        "for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
        "    os.kill(os.getppid(), number)\nprint(await echo(n=1))"
    ),
}  # fmt: skip
ENDED: dict[str, tuple[str, tuple[str, str | None]]] = {
    "a file in the place of the pipe": (
        DOOR + "os.unlink(door + '/calls'); open(door + '/calls', 'w').close()\nawait echo()", TIMED_OUT,
    ),
    "a stop of itself": (
        "import os, signal\ncall = asyncio.ensure_future(echo()); await asyncio.sleep(0)\n"
        "os.kill(os.getpid(), signal.SIGSTOP)\nawait call\nos.kill(os.getpid(), signal.SIGSTOP)", TIMED_OUT,
    ),
    "all descriptors closed": (
        "import os\ncall = asyncio.ensure_future(echo()); await asyncio.sleep(0.01)\n"
        "os.closerange(0, 1000)\nawait call",
        ("error", "Sandbox exited with code 1"),
    ),
    "streams closed": ("import os\nos.close(1); os.close(2)\nawait echo()", ("completed", None)),
    "an exit while calls wait": (
        "import sys\ncall = asyncio.ensure_future(echo()); await asyncio.sleep(0)\nsys.exit(3)",
        ("error", "Sandbox exited with code 3"),
    ),
    "a flood on stdout while it is paused": (
        "import threading\ndef flood():\n    while True: print('x' * 10**6)\n"
        "threading.Timer(0.05, flood).start()\nawait echo(slow=True)", ("error", "stdout length exceeded"),
    ),
}  # fmt: skip


def tool(given: Json) -> Json | str:
    """Return its input, or as much as was asked for; slowly on request."""
    if given.get("slow"):
        time.sleep(0.6)  # the time of a tool, in which the program does its worst
    return "x" * given["want"] if "want" in given else given


async def played(caller: Caller, code: str, timeout: int) -> Played:
    """Run a program, and check that the next one is unaffected."""
    began = time.monotonic()
    result = await play(caller, code, tool=tool, timeout=timeout)
    assert time.monotonic() - began < WITHIN_SECONDS, "it nearly hung"
    assert (await play(caller, "print(await echo(n=1))")).end["stdout"] == "{'n': 1}\n"
    return result


@pytest.mark.parametrize("deed", GOOD)
async def test_a_hostile_program_still_gets_its_answers(caller: Caller, deed: str) -> None:
    """K28: whatever else the program does, a well-formed call is answered."""
    end = (await played(caller, GOOD[deed], timeout=10_000)).end
    assert (end["status"], end["stdout"]) == ("completed", "{'n': 1}\n"), end


@pytest.mark.parametrize("deed", ENDED)
async def test_a_hostile_program_has_a_clear_end(caller: Caller, deed: str) -> None:
    """K31, K32: a program that damages its channel ends like any other, at its limit at the latest."""
    code, ending = ENDED[deed]
    end = (await played(caller, code, timeout=1000)).end
    assert (end["status"], end.get("error")) == ending, end
    assert "The sandbox died" not in end["stderr"]


async def test_a_flood_on_the_pipe_of_calls_harms_the_program_alone(caller: Caller) -> None:
    """K31: its own call finds no room in the channel, or it ends at its limit."""
    code = (
        DOOR + "import threading\ndef flood():\n    while True: os.write(calls, b'abc\\n' * 10000)\n"
        "threading.Thread(target=flood, daemon=True).start()\nawait echo()"
    )
    end = (await played(caller, code, timeout=1000)).end
    assert (end["status"], end["error"]) in [TIMED_OUT, ("error", "Sandbox exited with code 1")]


async def test_many_jobs_of_bash_come_together(caller: Caller) -> None:
    """K28, K30: eighty background jobs all get their answers, in few rounds."""
    code = 'for n in $(seq 80); do t "{\\"n\\": $n}" & done; wait'
    result = await play(caller, code, tools("t"), lang="bash", timeout=60_000)
    assert sorted(result.end["stdout"].split()) == sorted(f'{{"n":{n}}}' for n in range(1, 81)), result.end["stderr"]
    assert len(result.pauses) <= 8


async def test_bash_may_leave_jobs_behind(caller: Caller) -> None:
    """K28, K30: a program that does not wait for its jobs ends, and its jobs with it."""
    end = (await play(caller, "(sleep 60; t) & t > /dev/null & echo done; exit 0", tools("t"), lang="bash")).end
    assert (end["status"], end["stdout"]) == ("completed", "done\n")
