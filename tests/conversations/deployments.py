"""The service on either engine with a LibreChat of each generation, and a clock that a test can advance."""

from __future__ import annotations

import http.client
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path

from devtools.daytona_emulator.server import running
from devtools.daytona_emulator.settings import Settings
from tests.conversations.librechat import VERSIONS, LibreChat, running_librechat
from tests.runtime import RUNTIME
from tests.service import LiveService, running_service

ENGINES = ("local", "daytona")
WITHIN_SECONDS = 120
POLL_SECONDS = 0.1
FAKETIME = Path("/usr/lib", f"{os.uname().machine}-linux-gnu", "faketime", "libfaketimeMT.so.1")
_SANDBOXES = re.compile(r"^code_interpreter_sandboxes ([\d.]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Deployment:
    """A running service and the LibreChats that use it; `clock` is the file with the offset of the service's clock."""

    engine: str
    service: LiveService
    librechats: list[LibreChat]
    clock: Path

    def advance_clock(self, seconds: int) -> None:
        """Advance the time of day of the service and of the LibreChats."""
        before = _time_of(self.service)
        offset = int(self.clock.read_text()) + seconds
        self.clock.write_text(f"{offset:+d}")
        _wait_until(lambda: _time_of(self.service) >= before + timedelta(seconds=seconds), "the clock is advanced")
        for librechat in self.librechats:
            librechat.call("advance_clock", seconds=seconds)

    def wait_for_cleanup(self) -> None:
        """Wait until the cleanup has destroyed all idle sandboxes."""
        _wait_until(lambda: _SANDBOXES.findall(_get(self.service, "/metrics")[1]) == ["0.0"], "no sandbox is left")


@contextmanager
def deployed(engine: str, directory: Path, *, fakes_time: bool = False, **settings: str) -> Iterator[Deployment]:
    """Start a service on an engine (Daytona's with an emulator of its own) and the LibreChats."""
    clock, files = directory / "clock", directory / "files"
    clock.write_text("+0")
    files.mkdir()
    if fakes_time:
        settings |= _faketime(clock)
    with ExitStack() as stack:
        if engine == "daytona":
            address = stack.enter_context(running(Settings(validate=False), RUNTIME))
            settings |= {"DAYTONA_API_URL": f"{address}/api", "DAYTONA_API_KEY": Settings().api_key}
        service = stack.enter_context(running_service(directory, ADAPTER_ENGINE=engine, **settings))
        librechats = [stack.enter_context(running_librechat(generation, service, files)) for generation in VERSIONS]
        yield Deployment(engine, service, librechats, clock)


def _faketime(clock: Path) -> dict[str, str]:
    """Let a file set the time of day; the monotonic clock stays true."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _time_of(service: LiveService) -> datetime:
    return parsedate_to_datetime(_get(service, "/healthz")[0]["Date"])


def _get(service: LiveService, path: str) -> tuple[Message, str]:
    connection = http.client.HTTPConnection(service.host, timeout=WITHIN_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.headers, answer.read().decode()
    finally:
        connection.close()


def _wait_until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"not within {WITHIN_SECONDS} s: {what}"
        time.sleep(POLL_SECONDS)
