"""What a program may ask the kernel for. That the filter says what the policy says is shown by ``test_seccomp``;
here each denied call is made for real."""

from __future__ import annotations

import platform

import pytest
import pytest_asyncio

from librechat_code_interpreter.engines.local import engine_config
from librechat_code_interpreter.engines.local.engine import LocalEngine
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from librechat_code_interpreter.engines.local.syscall_numbers import NUMBERS
from librechat_code_interpreter.runner.endings import Ending
from tests.engine.asking import answer, bash, output, python

pytestmark = pytest.mark.asyncio(loop_scope="session")

COLUMN = 0 if platform.machine() == "x86_64" else 1
POLICY = engine_config.read_policy()

CALL = """
import ctypes, errno, json, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_ulong(value) for value in arguments))
    return "done" if result != -1 else errno.errorcode[ctypes.get_errno()]
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def verdicts(sandbox: LocalSandbox) -> dict[str, str]:
    """Make every call that the policy denies, each in a process of its own, with arguments that would mean nothing."""
    names = [*POLICY["syscalls"], *POLICY["syscalls_absent"], *POLICY["syscalls_absent_without_memory_cgroup"]]
    numbers = {name: NUMBERS[name][COLUMN] for name in names if NUMBERS[name][COLUMN] is not None}
    source = f"""{CALL}
def apart(number):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(theirs, call(number, *[(1 << 64) - 1] * 6).encode())
        os._exit(0)
    os.close(theirs)
    said = os.read(ours, 100).decode()
    os.close(ours)
    status = os.waitpid(pid, 0)[1]
    return said or f"status {{status}}"
print(json.dumps({{name: apart(number) for name, number in {numbers!r}.items()}}))
"""
    found: dict[str, str] = await answer(sandbox, source)
    return found


@pytest.mark.parametrize("name", [name for name in POLICY["syscalls"] if NUMBERS[name][COLUMN] is not None])
async def test_a_denied_system_call_is_denied(verdicts: dict[str, str], name: str) -> None:
    """A denied call fails with "not permitted"."""
    assert verdicts[name] == "EPERM"


@pytest.mark.parametrize("name", POLICY["syscalls_absent"])
async def test_an_absent_system_call_is_absent(verdicts: dict[str, str], name: str) -> None:
    """An absent call fails as unknown to the kernel, so that libraries use their fallback."""
    assert verdicts[name] == "ENOSYS"


@pytest.mark.parametrize("name", POLICY["syscalls_absent_without_memory_cgroup"])
async def test_memory_that_nobody_counts_is_absent(engine: LocalEngine, verdicts: dict[str, str], name: str) -> None:
    """Where no control group counts these pages, the calls that make them are absent."""
    is_counted = engine.jails.watched_memory is None
    assert (verdicts[name] != "ENOSYS") == is_counted


NAMESPACES = {
    "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000, "mount": 0x00020000, "ipc": 0x08000000,
    "uts": 0x04000000, "cgroup": 0x02000000, "time": 0x00000080,
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMESPACES)
@pytest.mark.parametrize("high_bits", [0, 1 << 32], ids=["", "with high bits"])
async def test_no_namespace_can_be_made(sandbox: LocalSandbox, kind: str, high_bits: int) -> None:
    """Neither ``clone`` nor ``unshare`` makes one, whatever else is in the flags."""
    flags = NAMESPACES[kind] | high_bits
    numbers = NUMBERS["clone"][COLUMN], NUMBERS["unshare"][COLUMN]
    source = f"{CALL}\nprint(json.dumps([call({numbers[0]}, {flags} | 17, 0, 0, 0, 0), call({numbers[1]}, {flags})]))"
    assert await answer(sandbox, source) == ["EPERM", "EPERM"]


@pytest.mark.parametrize("request_number", [int(number, 16) for number in POLICY["ioctls"]], ids=hex)
@pytest.mark.parametrize("high_bits", [0, 1 << 32], ids=["", "with high bits"])
async def test_nothing_can_be_typed_into_a_terminal(sandbox: LocalSandbox, request_number: int, high_bits: int) -> None:
    """TIOCSTI and TIOCLINUX are refused before the kernel looks whether there is a terminal."""
    source = f"{CALL}\nprint(json.dumps(call({NUMBERS['ioctl'][COLUMN]}, 0, {request_number | high_bits}, 0)))"
    assert await answer(sandbox, source) == "EPERM"


async def test_the_personality_stays_the_default(sandbox: LocalSandbox) -> None:
    """Reading and keeping it works; turning off address randomisation, or another personality, fails."""
    number = NUMBERS["personality"][COLUMN]
    values = [0xFFFFFFFF, 0, 0x0040000, 0x0400000, 8, (1 << 32) | 8]
    source = f"{CALL}\nprint(json.dumps([call({number}, value) for value in {values}]))"
    assert await answer(sandbox, source) == ["done", "done", "EPERM", "EPERM", "EPERM", "EPERM"]


async def test_the_filter_holds_in_threads_and_children(sandbox: LocalSandbox) -> None:
    """Whatever a program starts has the same filter: threads, forks, executed programs, spawned workers."""
    probe = f"{CALL}\nverdict = call({NUMBERS['unshare'][COLUMN]}, 0)\n"
    source = f"""
import json, multiprocessing, subprocess, sys, threading
probe = {probe!r}
def run(_=None):
    names = {{}}
    exec(probe, names)
    return names["verdict"]
def printed(command):
    return subprocess.run(command, input=probe + "print(verdict)", capture_output=True, text=True).stdout.strip()
if __name__ == "__main__":
    found = [run()]
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start()
    thread.join()
    found.append(printed([sys.executable, "-"]))
    found.append(printed(["bash", "-c", f"exec -c {{sys.executable}} -"]))
    for method in "fork", "spawn":
        with multiprocessing.get_context(method).Pool(1) as pool:
            found.extend(pool.map(run, [0]))
    print(json.dumps(found))
"""
    assert await answer(sandbox, source) == ["EPERM"] * 6


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86_64 has a second and a third set of system calls")
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("b814000000cd80c3", id="32-bit"),  # mov eax, 20 (getpid); int 0x80; ret
        pytest.param("b827000040 0f05c3", id="x32"),  # mov eax, 0x40000027 (getpid); syscall; ret
    ],
)
async def test_other_sets_of_system_calls_end_the_program(sandbox: LocalSandbox, code: str) -> None:
    """Calls by numbers that the filter's rules do not name kill the program."""
    source = f"""
import ctypes, mmap
memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
memory.write(bytes.fromhex({code!r}))
print("before")
ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))()
print("after")
"""
    reply = await sandbox.exchange(python(source))
    assert (reply.ending, reply.stdout) == (Ending.SIGNAL, "before\n")
    assert reply.signal in ("SIGSYS", "SIGSEGV")  # the latter where the kernel has no such calls at all


async def test_what_covers_the_host_cannot_be_taken_away(sandbox: LocalSandbox) -> None:
    """Mounts that hide others can neither be removed nor remounted nor moved, by a program or by a tool."""
    source = """
for place in /tmp /proc /mnt/data /dev/shm /dev /usr /; do
    umount -l $place && echo removed $place
    mount -o remount,rw $place && echo opened $place
    mount --bind / $place && echo covered $place
done 2> /dev/null
mountpoint -q /tmp && mountpoint -q /proc && echo as before
"""
    assert await output(sandbox, bash(source)) == "as before\n"


async def test_priorities_cannot_be_raised(sandbox: LocalSandbox) -> None:
    """A program cannot raise its priority."""
    source = """
import json, os
found = []
for what, attempt in {
    "nice": lambda: os.nice(-1),
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -1),
}.items():
    try:
        attempt()
        found.append(what)
    except OSError:
        pass
print(json.dumps(found))
"""
    assert await answer(sandbox, source) == []
