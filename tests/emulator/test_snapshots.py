"""Snapshots as the SDK sees them."""

from __future__ import annotations

import pytest
from daytona import (
    AsyncDaytona,
    CreateSandboxFromSnapshotParams,
    CreateSnapshotParams,
    DaytonaError,
    DaytonaNotFoundError,
    Image,
)
from daytona.common.errors import DaytonaBadRequestError, DaytonaConflictError

from tests.emulator.emulator import Emulator


async def test_a_snapshot_is_built_used_and_removed(sdk: AsyncDaytona, emulator: Emulator):
    """create waits for the build and follows its log; sandboxes name their snapshot; delete frees the name."""
    emulator.set(build_seconds=0.5)
    lines: list[str] = []
    params = CreateSnapshotParams(name="mine", image=Image.base("debian:12").run_commands("mkdir /workspace"))
    made = await sdk.snapshot.create(params, on_logs=lines.append, timeout=60)
    assert (made.name, made.state.value) == ("mine", "active")
    assert "RUN mkdir /workspace" in "\n".join(lines)
    assert (await sdk.snapshot.get("mine")).id == made.id
    sandbox = await sdk.create(CreateSandboxFromSnapshotParams(snapshot="mine"), timeout=60)
    assert sandbox.snapshot == "mine"
    with pytest.raises(DaytonaConflictError):
        await sdk.snapshot.create(CreateSnapshotParams(name="mine", image="debian:12"), timeout=60)
    await sdk.snapshot.delete(made)
    with pytest.raises(DaytonaNotFoundError):
        await sdk.snapshot.get("mine")


async def test_chosen_lines_of_a_recipe_are_run_in_its_sandboxes(sdk: AsyncDaytona, emulator: Emulator):
    """RUN lines that run_build_lines finds happen in each new sandbox, continued ones too; if one fails, so does it."""
    emulator.set(run_build_lines="baked|fails")
    image = Image.base("debian:12").run_commands("apt-get install x", "mkdir /baked && \\\n  echo here > /baked/f")
    await sdk.snapshot.create(CreateSnapshotParams(name="baked", image=image), timeout=60)
    await sdk.snapshot.create(
        CreateSnapshotParams(name="failing", image=Image.base("debian:12").run_commands("fails")), timeout=60
    )
    sandbox = await sdk.create(CreateSandboxFromSnapshotParams(snapshot="baked"), timeout=60)
    assert (await sandbox.process.exec("cat /baked/f", timeout=60)).result == "here\n"
    with pytest.raises(DaytonaError, match="build step"):
        await sdk.create(CreateSandboxFromSnapshotParams(snapshot="failing"), timeout=60)
    for name in ("baked", "failing"):
        await sdk.snapshot.delete(name)


async def test_the_list_has_pages(sdk: AsyncDaytona):
    """Snapshots are listed page by page, with the totals; the default one is among them."""
    for name in ("one", "two"):
        await sdk.snapshot.create(CreateSnapshotParams(name=name, image="debian:12"), timeout=60)
    first = await sdk.snapshot.list(page=1, limit=2)
    second = await sdk.snapshot.list(page=2, limit=2)
    names = [snapshot.name for page in (first, second) for snapshot in page.items]
    assert {"one", "two", "daytona-emulator"} <= set(names)
    assert first.total == len(names)
    assert first.total_pages == 2
    for name in ("one", "two"):
        await sdk.snapshot.delete(name)


async def test_what_cannot_be_built_or_is_not_there(sdk: AsyncDaytona, emulator: Emulator):
    """A failing build is an error; so are a sandbox from an unknown snapshot and from one not yet built."""
    with pytest.raises(DaytonaError, match="build step failed"):
        await sdk.snapshot.create(
            CreateSnapshotParams(name="bad", image=Image.base("debian:12").run_commands("false")), timeout=60
        )
    with pytest.raises(DaytonaNotFoundError):
        await sdk.create(CreateSandboxFromSnapshotParams(snapshot="unknown"), timeout=60)
    with pytest.raises(DaytonaBadRequestError):
        await sdk.create(CreateSandboxFromSnapshotParams(snapshot="bad"), timeout=60)
    await sdk.snapshot.delete("bad")
