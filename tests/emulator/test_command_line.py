"""The emulator as a command, to try the Daytona path without an account."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from daytona import CreateSandboxFromSnapshotParams

from tests.emulator.emulator import Emulator, plain_client
from tests.runtime import RUNTIME

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "devtools.daytona_emulator", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def command_lines_with(text: str) -> str:
    return subprocess.run(["pgrep", "-fa", text], capture_output=True, text=True, check=False).stdout


async def test_it_says_what_to_set_and_leaves_nothing_behind():
    """The first lines are the settings for the service; SIGTERM ends every sandbox."""
    process = start("--port", "0", "--runtime", str(RUNTIME), "--api-key", "k", "--warm-create-seconds", "0.1")
    assert process.stdout is not None
    url = process.stdout.readline().strip().removeprefix("DAYTONA_API_URL=").removesuffix("/api")
    assert process.stdout.readline() == "DAYTONA_API_KEY=k\n"
    try:
        with plain_client(url) as admin:
            assert admin.get("/__emulator/settings").json()["warm_create_seconds"] == 0.1
            emulator = Emulator(url, admin)
        async with emulator.sdk(key="k") as sdk:
            sandbox = await sdk.create(CreateSandboxFromSnapshotParams(), timeout=60)
            result = await sandbox.process.exec("setsid sleep 4242 </dev/null >/dev/null 2>&1 & echo hi", timeout=60)
        assert command_lines_with("sleep 4242")
        assert result.result == "hi\n"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert not command_lines_with("sleep 4242")


@pytest.mark.parametrize(("arguments", "code"), [(["--runtime", "/nowhere"], 78), (["--port", "x"], 2)])
def test_it_refuses_to_start_with_a_reason(arguments: list[str], code: int):
    """Without a runtime, or with invalid arguments, it ends at once with the reason."""
    process = start(*arguments)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert said
