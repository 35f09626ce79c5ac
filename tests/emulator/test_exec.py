"""`process.exec` behaves as measured on Daytona."""

from __future__ import annotations

import asyncio
import time

import pytest
from daytona import AsyncSandbox, CreateSandboxFromSnapshotParams, DaytonaError
from daytona.common.errors import DaytonaProcessExecutionTimeoutError

from tests.emulator.emulator import Emulator


async def test_stdout_and_stderr_come_as_one(sandbox: AsyncSandbox):
    """The two streams are merged in the order of writing."""
    reply = await sandbox.process.exec("echo one; echo two >&2; echo three", timeout=60)
    assert (reply.exit_code, reply.result) == (0, "one\ntwo\nthree\n")


@pytest.mark.parametrize("code", [0, 1, 7, 255])
async def test_the_exit_code_is_the_shells(sandbox: AsyncSandbox, code: int):
    """What the shell exits with is the reply's exit code."""
    assert (await sandbox.process.exec(f"exit {code}", timeout=60)).exit_code == code


async def test_a_time_out_is_a_408_without_output(sandbox: AsyncSandbox):
    """On time-out all output is lost and the command is killed."""
    with pytest.raises(DaytonaProcessExecutionTimeoutError) as caught:
        await sandbox.process.exec("echo lost; sleep 300; touch /tmp/late", timeout=1)
    assert (caught.value.status_code, caught.value.code) == (408, "PROCESS_EXECUTION_TIMEOUT")
    assert "lost" not in str(caught.value)
    assert (await sandbox.process.exec("pgrep sleep; ls /tmp", timeout=60)).result == ""


async def test_a_shell_killed_by_a_signal_is_minus_one(sandbox: AsyncSandbox):
    """The exit code is -1, with HTTP 200, when no exit code exists."""
    assert (await sandbox.process.exec("kill -9 $$", timeout=60)).exit_code == -1


async def test_a_shell_that_cannot_start_is_minus_one(sandbox: AsyncSandbox):
    """The exit code is -1 when the engine could not run the command at all."""
    assert (await sandbox.process.exec("true", cwd="/nowhere", timeout=60)).exit_code == -1


async def test_an_escaped_child_that_holds_the_output_blocks_the_reply(sandbox: AsyncSandbox):
    """A plain exec waits for a child that keeps its output open, although the shell ended long before."""
    began = time.monotonic()
    reply = await sandbox.process.exec("setsid sleep 1 & echo started", timeout=60)
    assert time.monotonic() - began >= 0.9
    assert reply.result == "started\n"


async def test_a_child_with_its_output_elsewhere_does_not_block(sandbox: AsyncSandbox):
    """A background child that closed the output lives on after the reply, also through later commands."""
    await sandbox.process.exec("setsid sleep 300 </dev/null >/dev/null 2>&1 &", timeout=60)
    assert (await sandbox.process.exec("pgrep -c sleep", timeout=60)).result == "1\n"


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
async def test_the_command_is_fed_on_the_shells_standard_input(sandbox: AsyncSandbox, emulator: Emulator, shell: str):
    """A heredoc of 60 KB arrives whole; the shell has no command line to read it from."""
    emulator.set(shell=shell)
    text = "0123456789abcde\n" * 4000
    reply = await sandbox.process.exec(f"cat /proc/$$/cmdline | tr '\\0' ' '; wc -c <<'EOF'\n{text}EOF", timeout=60)
    assert reply.result.split() == [shell, "64000"]


async def test_a_program_that_reads_standard_input_gets_the_rest_of_the_script(
    sandbox: AsyncSandbox, emulator: Emulator
):
    """Under a shell that reads no further than it must, a child consumes the commands after it."""
    emulator.set(shell="/bin/bash")
    reply = await sandbox.process.exec("cat\necho never run", timeout=60)
    assert reply.result == "echo never run\n"


async def test_the_command_travels_at_the_measured_speed(sandbox: AsyncSandbox, emulator: Emulator):
    """A command of 650 KB takes half a second to reach the shell; the speed is a setting."""
    for size, speed in ((650_000, None), (65_000, 130_000)):
        if speed is not None:
            emulator.set(stdin_bytes_per_second=speed)
        began = time.monotonic()
        await sandbox.process.exec(f": {'x' * size}", timeout=60)
        assert time.monotonic() - began >= 0.45


async def test_environment_and_directory(sandbox: AsyncSandbox):
    """env and cwd are the command's; without cwd it starts at home."""
    reply = await sandbox.process.exec("echo $X; pwd", cwd="/tmp", env={"X": "y"}, timeout=60)
    assert reply.result == "y\n/tmp\n"
    assert (await sandbox.process.exec("pwd", timeout=60)).result == "/home/daytona\n"


async def test_the_environment_of_create_is_there(emulator: Emulator):
    """env_vars of create are in every command's environment."""
    async with emulator.sdk() as sdk:
        sandbox = await sdk.create(CreateSandboxFromSnapshotParams(env_vars={"A": "1"}), timeout=60)
        assert (await sandbox.process.exec("echo $A", timeout=60)).result == "1\n"


async def test_commands_run_side_by_side(sandbox: AsyncSandbox):
    """Two commands of one sandbox do not wait for each other."""
    scripts = [
        f"touch /tmp/{mine}; until [ -e /tmp/{other} ]; do sleep 0.05; done; echo met"
        for mine, other in (("a", "b"), ("b", "a"))
    ]
    replies = await asyncio.gather(*(sandbox.process.exec(script, timeout=60) for script in scripts))
    assert [reply.result for reply in replies] == ["met\n"] * 2


async def test_output_that_is_not_text(sandbox: AsyncSandbox):
    """Bytes that are no UTF-8 come as replacement characters."""
    assert (await sandbox.process.exec("printf 'a\\377b'", timeout=60)).result == "a\ufffdb"


async def test_python_of_the_sandbox_runtime(sandbox: AsyncSandbox):
    """python3 is the sandbox runtime's, and the file system is writable and lasts."""
    reply = await sandbox.process.exec("python3 -c 'print(6*7)' | tee /workspace/a; id -un", timeout=60)
    assert reply.result == "42\ndaytona\n"
    assert (await sandbox.process.exec("cat /workspace/a", timeout=60)).result == "42\n"


async def test_code_run_merges_the_streams_too(sandbox: AsyncSandbox):
    """code_run has one stream and the program's exit code."""
    reply = await sandbox.process.code_run("import sys; print(1); print(2, file=sys.stderr); sys.exit(3)", timeout=60)
    assert (reply.exit_code, reply.result) == (3, "1\n2\n")


async def test_a_sandbox_has_no_network_and_sees_nothing_of_the_host(sandbox: AsyncSandbox):
    """Only the loopback interface, no other processes, no file of the host beyond its programs."""
    look = "grep -c : /proc/net/dev; ls /root | wc -l; ls /home; cat /etc/shadow >/dev/null 2>&1 && echo open; env"
    reply = await sandbox.process.exec(look, timeout=60)
    assert reply.result.splitlines()[:3] == ["1", "0", "daytona"]
    assert "open" not in reply.result
    assert "DAYTONA" not in reply.result


async def test_a_command_in_progress_when_the_sandbox_ends(sandbox: AsyncSandbox, emulator: Emulator):
    """The caller of a running command gets a 502 of the proxy when the sandbox stops under it."""
    running = asyncio.create_task(sandbox.process.exec("touch /tmp/begun; sleep 300", timeout=600))
    while not (await sandbox.process.exec("ls /tmp", timeout=60)).result:  # noqa: ASYNC110  a shell sets no event
        await asyncio.sleep(0.02)
    emulator.force(sandbox.id, "stopped")
    with pytest.raises(DaytonaError) as caught:
        await running
    assert (caught.value.status_code, caught.value.source) == (502, "DAYTONA_PROXY")
