"""The user presses stop, and what runs for them stops."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from tests.clients.client import Client


def running(command: str) -> bool:
    """Return whether a process of this machine, in a sandbox or not, has this command line."""
    wanted = command.replace(" ", "\0").encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            if path.read_bytes().startswith(wanted):
                return True
    return False


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Poll until the condition holds; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.05)


def test_stop_ends_the_program(new_client: Client) -> None:
    """K26: when the user presses stop, bash_tool closes the connection, and the program is ended."""
    command = f"sleep 60.{secrets.randbelow(10**9):09}"
    with ThreadPoolExecutor() as pool:
        call = [("bash_tool", {"command": f"{command}; true"})]
        stopped = pool.submit(new_client.converse, call, abortAfterMs=4000)
        wait_until(lambda: running(command))
        assert stopped.result().last.status == "error"
    wait_until(lambda: not running(command))
