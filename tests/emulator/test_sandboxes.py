"""Sandboxes from creation to deletion, as the control plane reports them."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from daytona import (
    AsyncDaytona,
    AsyncSandbox,
    CreateSandboxFromImageParams,
    CreateSandboxFromSnapshotParams,
    DaytonaError,
    DaytonaNotFoundError,
    DaytonaTimeoutError,
    Image,
    ListSandboxesQuery,
    Resources,
)
from daytona import SandboxState as QueryState
from daytona.common.errors import DaytonaBadRequestError, DaytonaConflictError
from daytona_api_client_async import SandboxState

from tests.emulator.emulator import Emulator

LATER_SECONDS = 60.0
"""More than a busy machine takes to end a change of state."""


async def collect(sandboxes: AsyncIterator[AsyncSandbox]) -> list[str]:
    return [sandbox.name async for sandbox in sandboxes]


async def until_gone(sdk: AsyncDaytona, sandbox_id: str, seconds: float = LATER_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while True:
            try:
                await sdk.get(sandbox_id)
            except DaytonaNotFoundError:
                return
            await asyncio.sleep(0.02)


async def test_what_was_asked_for_is_what_there_is(sdk: AsyncDaytona):
    """Labels, name, intervals, TTL and network settings of create are in the record."""
    params = CreateSandboxFromSnapshotParams(
        name="mine", labels={"lc_app": "x"}, auto_stop_interval=9, ttl_minutes=60, ephemeral=True,
        network_block_all=True, language="python",
    )  # fmt: skip
    made = await sdk.create(params, timeout=60)
    found = await sdk.get("mine", request_timeout=60)
    assert found.id == made.id
    assert found.state == SandboxState.STARTED
    assert found.labels == {"lc_app": "x", "code-toolbox-language": "python"}
    assert (found.auto_stop_interval, found.auto_delete_interval) == (9, 0)
    assert found.auto_destroy_at is not None
    assert (found.network_block_all, found.kvm, found.user) == (True, False, "daytona")


async def test_from_an_image_with_resources(sdk: AsyncDaytona, emulator: Emulator):
    """An image is built first, and its log can be followed; resources are the record's."""
    emulator.set(build_seconds=0.5)
    lines: list[str] = []
    params = CreateSandboxFromImageParams(
        image=Image.base("python:3.12-slim").workdir("/workspace"), resources=Resources(cpu=2, memory=4, disk=8)
    )
    made = await sdk.create(params, timeout=60, on_snapshot_create_logs=lines.append)
    assert (made.state, made.cpu, made.memory, made.disk) == (SandboxState.STARTED, 2, 4, 8)
    assert "FROM python:3.12-slim" in "\n".join(lines)


async def test_the_list_filters_by_label_and_state_and_pages_by_cursor(sdk: AsyncDaytona, emulator: Emulator):
    """Five sandboxes in pages of two are three requests; all labels asked for must match."""
    for number in range(5):
        labels = {"app": "a", "even": str(number % 2 == 0)}
        await sdk.create(CreateSandboxFromSnapshotParams(name=f"box-{number}", labels=labels), timeout=60)
    emulator.forget_calls()
    found = await collect(sdk.list(ListSandboxesQuery(labels={"app": "a"}, limit=2), request_timeout=60))
    assert sorted(found) == [f"box-{number}" for number in range(5)]
    assert len(emulator.calls()) == 3
    even = await collect(sdk.list(ListSandboxesQuery(labels={"app": "a", "even": "True"})))
    assert sorted(even) == ["box-0", "box-2", "box-4"]
    assert await collect(sdk.list(ListSandboxesQuery(labels={"app": "b"}))) == []
    emulator.force(emulator.sandboxes()[0]["id"], "stopped")
    assert await collect(sdk.list(ListSandboxesQuery(states=[QueryState.STOPPED]))) == ["box-0"]


async def test_destroying_while_listing_skips_nobody(sdk: AsyncDaytona):
    """A sweep that destroys what it lists still sees every sandbox."""
    for number in range(4):
        await sdk.create(CreateSandboxFromSnapshotParams(name=f"box-{number}"), timeout=60)
    seen = []
    async for found in sdk.list(ListSandboxesQuery(limit=1)):
        seen.append(found.name)
        await found.delete(timeout=60)
    assert sorted(seen) == [f"box-{number}" for number in range(4)]


async def test_a_stopped_sandbox_keeps_its_files_and_loses_its_processes(sandbox: AsyncSandbox):
    """Stop ends every process; after a start the files are there."""
    await sandbox.process.exec("echo kept > /workspace/f; setsid sleep 60 </dev/null >/dev/null 2>&1 &", timeout=60)
    await sandbox.stop(timeout=60)
    assert sandbox.state == SandboxState.STOPPED
    await sandbox.start(timeout=60)
    assert (await sandbox.process.exec("cat /workspace/f; pgrep -c sleep", timeout=60)).result == "kept\n0\n"


async def test_a_deleted_sandbox_is_gone(sandbox: AsyncSandbox, sdk: AsyncDaytona):
    """Delete, then: get is 404, a second delete is 404, its toolbox is a 401."""
    await sandbox.delete(timeout=60, wait=True)
    with pytest.raises(DaytonaNotFoundError):
        await sdk.get(sandbox.id)
    with pytest.raises(DaytonaNotFoundError):
        await sandbox.delete(timeout=60)
    with pytest.raises(DaytonaError) as caught:
        await sandbox.process.exec("true", timeout=60)
    assert caught.value.status_code == 401


async def test_states_in_between_can_be_seen(sdk: AsyncDaytona, emulator: Emulator):
    """With delays a sandbox is creating, starting, started, stopping, stopped, destroying, and then gone."""
    emulator.set(warm_create_seconds=0.4, start_seconds=0.2, stop_seconds=0.2, destroy_seconds=0.2)
    seen: list[str] = []

    async def watch() -> None:
        while True:
            for box in emulator.sandboxes():
                if not seen or seen[-1] != box["state"]:
                    seen.append(box["state"])
            await asyncio.sleep(0.02)

    async def until_seen(state: str) -> None:
        async with asyncio.timeout(LATER_SECONDS):
            while seen[-1:] != [state]:  # noqa: ASYNC110  the emulator sets no event for us
                await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    made = await sdk.create(timeout=60)
    await until_seen("started")
    await made.stop(timeout=60)
    await until_seen("stopped")
    await made.start(timeout=60)
    await until_seen("started")
    await made.delete(timeout=60, wait=True)
    watching.cancel()
    states = ["creating", "starting", "started", "stopping", "stopped", "starting", "started", "destroying"]
    assert seen == states


async def test_a_create_that_takes_too_long_names_the_sandbox(sdk: AsyncDaytona, emulator: Emulator):
    """On time-out the error has the id; while the sandbox is still changing its delete is a 409, later it works."""
    emulator.set(warm_create_seconds=6.0)
    with pytest.raises(DaytonaTimeoutError) as caught:
        await sdk.create(timeout=1)
    assert caught.value.sandbox_id == emulator.sandboxes()[0]["id"]
    late = await sdk.get(str(caught.value.sandbox_id))
    with pytest.raises(DaytonaConflictError):
        await late.delete(timeout=60)
    async with asyncio.timeout(LATER_SECONDS):
        while emulator.sandboxes():
            with contextlib.suppress(DaytonaConflictError):
                await late.delete(timeout=60, wait=True)
            await asyncio.sleep(0.2)


async def test_delete_during_a_change_can_be_allowed(sdk: AsyncDaytona, emulator: Emulator):
    """With allow_delete_while_changing a sandbox that is being created can be destroyed."""
    emulator.set(warm_create_seconds=300.0, allow_delete_while_changing=True)
    with pytest.raises(DaytonaTimeoutError) as caught:
        await sdk.create(timeout=1)
    await (await sdk.get(str(caught.value.sandbox_id))).delete(timeout=60, wait=True)
    assert emulator.sandboxes() == []


async def test_only_what_the_warm_pool_has_is_fast(sdk: AsyncDaytona, emulator: Emulator):
    """Custom env makes a create cold; labels, name and intervals do not."""
    emulator.set(cold_create_seconds=300.0)
    await sdk.create(CreateSandboxFromSnapshotParams(labels={"a": "b"}, name="n", auto_stop_interval=3), timeout=60)
    with pytest.raises(DaytonaTimeoutError):
        await sdk.create(CreateSandboxFromSnapshotParams(env_vars={"a": "b"}), timeout=1)


async def test_an_idle_sandbox_is_stopped_and_an_ephemeral_one_destroyed(sdk: AsyncDaytona, emulator: Emulator):
    """After its auto-stop interval without a call a sandbox stops; an ephemeral one is deleted by that."""
    kept = await sdk.create(CreateSandboxFromSnapshotParams(auto_stop_interval=2), timeout=60)
    brief = await sdk.create(CreateSandboxFromSnapshotParams(auto_stop_interval=2, ephemeral=True), timeout=60)
    emulator.set(minute_seconds=0.2)
    await until_gone(sdk, brief.id)
    await kept.refresh_data()
    assert kept.state == SandboxState.STOPPED


async def test_use_keeps_a_sandbox_from_being_stopped(sandbox: AsyncSandbox, emulator: Emulator):
    """Every toolbox call and a refresh of activity restart the interval."""
    emulator.set(minute_seconds=0.2)
    await sandbox.set_autostop_interval(6)
    for _ in range(5):
        await asyncio.sleep(0.3)
        await sandbox.process.exec("true", timeout=60)
    await sandbox.refresh_activity()
    await sandbox.refresh_data()
    assert sandbox.state == SandboxState.STARTED


async def test_the_time_to_live_ends_a_sandbox_in_use(sandbox: AsyncSandbox, sdk: AsyncDaytona, emulator: Emulator):
    """TTL counts from creation, whatever the sandbox does."""
    emulator.set(minute_seconds=0.2)
    await sandbox.set_ttl(3)
    running = asyncio.create_task(sandbox.process.exec("sleep 300", timeout=600))
    await until_gone(sdk, sandbox.id)
    with pytest.raises(DaytonaError):
        await running


@pytest.mark.parametrize("state", ["stopped", "error", "destroyed"])
async def test_an_outage_can_be_played(sandbox: AsyncSandbox, emulator: Emulator, state: str):
    """A sandbox put into a state by force refuses its toolbox with the status that such sandboxes have."""
    emulator.force(sandbox.id, state)
    with pytest.raises(DaytonaError) as caught:
        await sandbox.process.exec("true", timeout=60)
    assert caught.value.status_code == (401 if state == "destroyed" else 400)
    emulator.set(stopped_status=404, gone_status=502)
    with pytest.raises(DaytonaError) as caught:
        await sandbox.process.exec("true", timeout=60)
    assert caught.value.status_code == (502 if state == "destroyed" else 404)


async def test_a_sandbox_whose_daemon_is_killed_fails(sandbox: AsyncSandbox):
    """A program that kills everything in its sandbox also kills the daemon; the sandbox is in error then."""
    with pytest.raises(DaytonaError):
        await sandbox.process.exec("kill -9 -1", timeout=60)
    async with asyncio.timeout(LATER_SECONDS):
        while sandbox.state != SandboxState.ERROR:
            await asyncio.sleep(0.1)
            await sandbox.refresh_data()


async def test_quota_tier_and_names(sdk: AsyncDaytona, emulator: Emulator):
    """Too many sandboxes, network settings in a low tier and a name twice are refused with a message."""
    emulator.set(max_sandboxes=1, allow_network_settings=False)
    with pytest.raises(DaytonaBadRequestError, match="tier"):
        await sdk.create(CreateSandboxFromSnapshotParams(network_block_all=True), timeout=60)
    await sdk.create(CreateSandboxFromSnapshotParams(name="n"), timeout=60)
    with pytest.raises(DaytonaBadRequestError, match="quota"):
        await sdk.create(timeout=60)
    emulator.set(max_sandboxes=2)
    with pytest.raises(DaytonaConflictError):
        await sdk.create(CreateSandboxFromSnapshotParams(name="n"), timeout=60)


async def test_nothing_of_a_sandbox_is_left(sandbox: AsyncSandbox):
    """After delete no process and no directory of the sandbox is left on this machine."""
    script = "exec setsid python3 -c 'import time; time.sleep(4343)' </dev/null >/dev/null 2>&1 &"
    await sandbox.process.exec(script, timeout=60)
    before = roots()
    assert await processes_with("time.sleep.4343.") == 1
    await sandbox.delete(timeout=60, wait=True)
    assert await processes_with("time.sleep.4343.") == 0
    assert before - roots()


def roots() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("daytona-emulator-*/*"))


async def processes_with(pattern: str) -> int:
    counting = await asyncio.create_subprocess_exec("pgrep", "-fc", pattern, stdout=asyncio.subprocess.PIPE)
    output, _ = await counting.communicate()
    return int(output)


async def test_sandboxes_may_share_a_directory_of_the_machine(emulator: Emulator, sdk: AsyncDaytona, tmp_path: Path):
    """What programs leave at `/shared` outlives their sandboxes; without the setting there is none."""
    (tmp_path / "traces").touch()
    for path, mode in ((tmp_path, 0o777), (tmp_path / "traces", 0o666)):
        path.chmod(mode)
    emulator.set(shared=str(tmp_path))
    for _ in range(2):
        sandbox = await sdk.create(CreateSandboxFromSnapshotParams(), timeout=60)
        assert (await sandbox.process.exec("echo here >> /shared/traces", timeout=60)).exit_code == 0
        await sandbox.delete(timeout=60)
    assert (tmp_path / "traces").read_text() == "here\nhere\n"
    emulator.set(shared="")
    sandbox = await sdk.create(CreateSandboxFromSnapshotParams(), timeout=60)
    assert (await sandbox.process.exec("test -e /shared", timeout=60)).exit_code == 1
