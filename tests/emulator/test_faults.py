"""Each fault that can be injected, and what the SDK makes of it."""

from __future__ import annotations

import asyncio
import time

import pytest
from daytona import AsyncDaytona, AsyncSandbox, DaytonaError, FileDownloadRequest
from daytona.common.errors import (
    DaytonaAuthenticationError,
    DaytonaBadGatewayError,
    DaytonaBadRequestError,
    DaytonaConnectionError,
    DaytonaConnectionTimeoutError,
    DaytonaRateLimitError,
    DaytonaServiceUnavailableError,
    DaytonaTimeoutError,
)

from tests.emulator.emulator import Emulator

EXEC = "process/execute$"


async def test_429_has_its_headers_and_is_not_retried(sdk: AsyncDaytona, emulator: Emulator):
    """Too many requests: one request, and the error has the Retry-After headers, in the case in which they came."""
    emulator.fault("rate-limit")
    with pytest.raises(DaytonaRateLimitError) as caught:
        await sdk.create(timeout=60)
    assert caught.value.headers["retry-after-sandbox-create"] == "2"
    assert len(emulator.calls()) == 1


@pytest.mark.parametrize(
    ("preset", "error"),
    [
        ("exec-timeout", DaytonaTimeoutError),
        ("unauthorized", DaytonaAuthenticationError),
        ("bad-gateway", DaytonaBadGatewayError),
        ("unavailable", DaytonaServiceUnavailableError),
        ("no-body", DaytonaBadRequestError),
    ],
)
async def test_a_status_becomes_its_error(
    sandbox: AsyncSandbox, emulator: Emulator, preset: str, error: type[DaytonaError]
):
    """Each status is its own class; nothing is retried; the next call is fine."""
    emulator.fault(preset)
    with pytest.raises(error):
        await sandbox.process.exec("true", timeout=60)
    assert len(emulator.calls()) == 1
    assert (await sandbox.process.exec("true", timeout=60)).exit_code == 0


async def test_a_quota_is_known_by_its_message(sdk: AsyncDaytona, emulator: Emulator):
    """An exceeded quota is a 400."""
    emulator.fault("quota")
    with pytest.raises(DaytonaBadRequestError, match="quota"):
        await sdk.create(timeout=60)


async def test_exit_code_minus_one_is_a_200(sandbox: AsyncSandbox, emulator: Emulator):
    """The engine's failure looks like a reply; the command did not run."""
    emulator.fault("exit-minus-one")
    reply = await sandbox.process.exec("touch /tmp/ran", timeout=60)
    assert (reply.exit_code, reply.result) == (-1, "")
    assert (await sandbox.process.exec("ls /tmp", timeout=60)).result == ""


async def test_a_dropped_exec_is_not_sent_again(sandbox: AsyncSandbox, emulator: Emulator):
    """The SDK never repeats a POST whose connection broke; here the command did not run."""
    emulator.fault("drop", path=EXEC)
    with pytest.raises(DaytonaConnectionError):
        await sandbox.process.exec("touch /tmp/ran", timeout=60)
    assert [call["status"] for call in emulator.calls()] == [None]
    assert (await sandbox.process.exec("ls /tmp", timeout=60)).result == ""


async def test_a_lost_reply_leaves_the_work_done(sandbox: AsyncSandbox, emulator: Emulator):
    """The command ran, and its reply was lost."""
    emulator.fault("lose-reply")
    with pytest.raises(DaytonaConnectionError):
        await sandbox.process.exec("touch /tmp/ran", timeout=60)
    assert (await sandbox.process.exec("ls /tmp", timeout=60)).result == "ran\n"


async def test_a_dropped_get_is_sent_again(sandbox: AsyncSandbox, emulator: Emulator):
    """A GET whose connection breaks is sent six times: the SDK tries thrice, and aiohttp below it twice each time."""
    emulator.fault("drop", method="GET", times=5)
    await sandbox.refresh_data(request_timeout=60)
    assert len(emulator.calls()) == 6
    emulator.forget_calls()
    emulator.fault("drop", method="GET", times=6)
    with pytest.raises(DaytonaConnectionError):
        await sandbox.refresh_data(request_timeout=60)
    assert len(emulator.calls()) == 6


async def test_a_call_that_hangs_ends_with_the_callers_time_out(sandbox: AsyncSandbox, emulator: Emulator):
    """A reply that never comes is the SDK's time-out: request_timeout, or 5 seconds after exec's own."""
    emulator.fault("hang", method="GET")
    began = time.monotonic()
    with pytest.raises(DaytonaConnectionTimeoutError):
        await sandbox.refresh_data(request_timeout=1)
    assert time.monotonic() - began > 0.9
    emulator.fault("hang", path=EXEC)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await sandbox.process.exec("true", timeout=1)


async def test_a_delay_only_delays(sandbox: AsyncSandbox, emulator: Emulator):
    """A fault with nothing but a delay gives the true answer later."""
    emulator.fault(path=EXEC, delay_seconds=0.5)
    began = time.monotonic()
    assert (await sandbox.process.exec("echo fine", timeout=60)).result == "fine\n"
    assert time.monotonic() - began >= 0.5


async def test_a_reply_can_be_cut_short(sandbox: AsyncSandbox, emulator: Emulator):
    """Half a reply is a broken connection, for JSON and for a download."""
    emulator.fault(path=EXEC, cut_bytes=10)
    with pytest.raises(DaytonaConnectionError):
        await sandbox.process.exec("echo " + "x" * 100, timeout=60)
    await sandbox.fs.upload_file(b"y" * 100_000, "/tmp/y")
    emulator.fault(path="bulk-download$", cut_bytes=500)
    with pytest.raises(DaytonaError):
        await sandbox.fs.download_files([FileDownloadRequest("/tmp/y")], 5)


async def test_a_failure_after_the_work(sandbox: AsyncSandbox, emulator: Emulator):
    """A 502 that comes after the command ran."""
    emulator.fault("bad-gateway", path=EXEC, work=True)
    with pytest.raises(DaytonaBadGatewayError):
        await sandbox.process.exec("touch /tmp/ran", timeout=60)
    assert (await sandbox.process.exec("ls /tmp", timeout=60)).result == "ran\n"


async def test_faults_strike_as_often_and_as_late_as_told(sandbox: AsyncSandbox, emulator: Emulator):
    """`skip` lets calls pass first, `times` limits the number of faults, and other calls are unaffected."""
    emulator.fault("bad-gateway", path=EXEC, skip=1, times=2)
    codes = []
    for _ in range(4):
        try:
            codes.append((await sandbox.process.exec("true", timeout=60)).exit_code)
        except DaytonaBadGatewayError:
            codes.append(502)
        await sandbox.refresh_data()
    assert codes == [0, 502, 502, 0]


async def test_the_event_stream_can_be_refused(emulator: Emulator):
    """Without its event stream the SDK works on."""
    emulator.fault(method="WS", status=503, times=None)
    async with emulator.sdk() as sdk:
        sandbox = await sdk.create(timeout=60)
        assert (await sandbox.process.exec("echo fine", timeout=60)).result == "fine\n"


@pytest.mark.parametrize("body", ['{"status": 1, "colour": 2}', '{"path": "("}', '{"preset": "x"}', "[]", ""])
def test_a_fault_that_makes_no_sense_is_refused(emulator: Emulator, body: str):
    """Unknown fields and presets and bad expressions are a 400."""
    assert emulator.admin.post("/__emulator/faults", content=body).status_code == 400


@pytest.mark.parametrize("change", [{"colour": 1}, {"events": 1}, {"page_size": 1.5}, {"latency_seconds": "1"}])
def test_a_setting_that_makes_no_sense_is_refused(emulator: Emulator, change: dict[str, object]):
    """Unknown settings and wrong types are a 400, and nothing is changed."""
    before = emulator.admin.get("/__emulator/settings").json()
    assert emulator.admin.patch("/__emulator/settings", json=change).status_code == 400
    assert emulator.admin.get("/__emulator/settings").json() == before
