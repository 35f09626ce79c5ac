"""What each operation of the SDK costs in requests."""

from __future__ import annotations

import math
import time

from daytona import AsyncDaytona, AsyncSandbox, CreateSandboxFromSnapshotParams, FileDownloadRequest, FileUpload

from tests.emulator.emulator import Emulator


async def test_a_create_that_the_warm_pool_serves_is_one_request(sdk: AsyncDaytona, emulator: Emulator):
    """A create answered with a started sandbox needs nothing after it."""
    await sdk.create(CreateSandboxFromSnapshotParams(labels={"a": "b"}, auto_stop_interval=5), timeout=60)
    assert emulator.calls_in_short() == ["POST /api/sandbox"]


async def test_a_create_whose_reply_has_no_toolbox_address_costs_one_more(sdk: AsyncDaytona, emulator: Emulator):
    """An empty toolboxProxyUrl makes the SDK ask for it."""
    emulator.set(toolbox_url_in_replies=False)
    await sdk.create(timeout=60)
    assert emulator.calls_in_short() == ["POST /api/sandbox", "GET /api/sandbox/ID/toolbox-proxy-url"]


async def looks_at_a_slow_create(sdk: AsyncDaytona, emulator: Emulator) -> tuple[int, int]:
    """Create a sandbox; return how often the SDK polled it, and how many whole seconds it took."""
    started = time.monotonic()
    await sdk.create(timeout=60)
    seconds = math.floor(time.monotonic() - started)
    first, *looks = [call["method"] for call in emulator.calls()]
    assert first == "POST" and set(looks) == {"GET"}
    return len(looks), seconds


async def test_a_slow_create_costs_one_look_when_events_come(sdk: AsyncDaytona, emulator: Emulator):
    """With the event stream, waiting for a start is one GET, and one more for each second that it takes longer."""
    await sdk.create(timeout=60)
    emulator.forget_calls()
    emulator.set(warm_create_seconds=0.6)
    looks, seconds = await looks_at_a_slow_create(sdk, emulator)
    assert 1 <= looks <= 2 + seconds


async def test_a_slow_create_is_polled_once_a_second_without_events(emulator: Emulator):
    """Without the event stream the SDK polls at once and then each second, so it notices a start late."""
    emulator.set(warm_create_seconds=0.6, events=False)
    async with emulator.sdk() as sdk:
        looks, seconds = await looks_at_a_slow_create(sdk, emulator)
    assert 2 <= looks <= 3 + seconds


async def test_toolbox_operations_are_one_request_each(sandbox: AsyncSandbox, emulator: Emulator):
    """exec, uploads and downloads of many files, folders and descriptions: one request each, none before the first."""
    await sandbox.process.exec("true", timeout=60)
    await sandbox.fs.upload_files([FileUpload(b"1", "/tmp/a"), FileUpload(b"2", "/tmp/b")])
    await sandbox.fs.upload_file(b"3", "/tmp/c")
    await sandbox.fs.download_files([FileDownloadRequest("/tmp/a"), FileDownloadRequest("/tmp/b")])
    await sandbox.fs.download_file("/tmp/c", 5)
    await sandbox.fs.create_folder("/tmp/d", "755")
    await sandbox.fs.get_file_info("/tmp/a")
    assert emulator.calls_in_short() == [
        "POST /toolbox/ID/process/execute",
        "POST /toolbox/ID/files/bulk-upload",
        "POST /toolbox/ID/files/bulk-upload",
        "POST /toolbox/ID/files/bulk-download",
        "POST /toolbox/ID/files/bulk-download",
        "POST /toolbox/ID/files/folder",
        "GET /toolbox/ID/files/info",
    ]


async def test_control_operations(sandbox: AsyncSandbox, sdk: AsyncDaytona, emulator: Emulator):
    """get, list, intervals, labels and delete are one request each; stop and start are awaited by polling."""
    await sdk.get(sandbox.id)
    _ = [found async for found in sdk.list()]
    await sandbox.set_autostop_interval(7)
    await sandbox.set_ttl(30)
    await sandbox.set_labels({"x": "y"})
    await sandbox.refresh_activity()
    await sandbox.stop(timeout=60)
    await sandbox.start(timeout=60)
    assert emulator.calls_in_short() == [
        "GET /api/sandbox/ID",
        "GET /api/sandbox",
        "POST /api/sandbox/ID/autostop/7",
        "POST /api/sandbox/ID/ttl/30",
        "PUT /api/sandbox/ID/labels",
        "POST /api/sandbox/ID/last-activity",
        "POST /api/sandbox/ID/stop",
        "GET /api/sandbox/ID",
        "POST /api/sandbox/ID/start",
    ]
    emulator.forget_calls()
    await sandbox.delete()
    assert [call["method"] for call in emulator.calls()] == ["DELETE"]


async def test_the_log_tells_what_happened(sandbox: AsyncSandbox, emulator: Emulator):
    """An entry has method, path, status, duration and sizes; the log can be filtered and reset."""
    began = time.monotonic()
    await sandbox.process.exec("sleep 0.2; echo hello", timeout=60)
    took = time.monotonic() - began
    (call,) = emulator.calls("process/execute$")
    assert (call["method"], call["status"]) == ("POST", 200)
    assert 0.2 <= call["seconds"] <= took
    assert call["sent_bytes"] > 0
    assert call["received_bytes"] > 0
    emulator.forget_calls()
    assert emulator.calls() == []


async def test_latency_is_added_to_every_call(sandbox: AsyncSandbox, emulator: Emulator):
    """A latency of 100 ms shows in the log of each call."""
    emulator.set(latency_seconds=0.1)
    await sandbox.process.exec("true", timeout=60)
    await sandbox.refresh_data()
    assert all(call["seconds"] >= 0.1 for call in emulator.calls())
