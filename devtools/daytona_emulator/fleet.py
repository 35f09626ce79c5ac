"""All sandboxes and their changes of state: as slow as the settings say, one at a time for each sandbox."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from devtools.daytona_emulator import jail, shell
from devtools.daytona_emulator.box import Box
from devtools.daytona_emulator.errors import Problem
from devtools.daytona_emulator.events import Events
from devtools.daytona_emulator.settings import Settings

_UNPRIVILEGED_UID = 64999
_AT_ONCE = 10**9
_COLD = ("user", "volumes", "secrets", "cpu", "memory", "disk", "gpu", "buildInfo", "env")
CHANGING: Final = ("pending_build", "creating", "starting", "stopping", "destroying")


class Fleet:
    """Own every sandbox; a context manager that leaves nothing behind."""

    def __init__(self, settings: Settings, runtime: Path, events: Events) -> None:
        self._settings = settings
        self._runtime = runtime.resolve()
        self._events = events
        self._uid = _UNPRIVILEGED_UID if os.geteuid() == 0 else os.geteuid()
        self._clock: asyncio.Task[None] | None = None
        self._home = Path()
        self.boxes: dict[str, Box] = {}

    async def __aenter__(self) -> Self:
        self._home = Path(tempfile.mkdtemp(prefix="daytona-emulator-"))
        self._home.chmod(0o755)
        self._clock = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        tasks = [self._clock, *(box.moving for box in self.boxes.values())]
        running = [task for task in tasks if task is not None and not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        for box in self.boxes.values():
            if box.jail is not None:
                await box.jail.stop()
        await jail.remove_root(self._home)

    def find(self, id_or_name: str) -> Box:
        """Return a sandbox by id or name. Raises ``Problem`` 404."""
        found = self.boxes.get(id_or_name) or next((box for box in self.boxes.values() if box.name == id_or_name), None)
        if found is None:
            raise Problem(404, f"Sandbox {id_or_name} not found")
        return found

    async def create(
        self, wanted: dict[str, Any], snapshot: str | None, build: dict[str, Any] | None, preparing: list[str]
    ) -> Box:
        """Make a sandbox; it is started on return unless the settings say that it takes its time."""
        box = Box(wanted, snapshot, build, self._home / uuid.uuid4().hex, preparing)
        box.state = "pending_build" if build else "creating"
        self.boxes[box.id] = box
        slow = any(wanted.get(name) for name in _COLD)
        seconds = self._settings.cold_create_seconds if slow else self._settings.warm_create_seconds
        instant = seconds == 0 and not (build and self._settings.build_seconds)
        await self._move(box, self._come_up(box, seconds), at_once=instant)
        return box

    async def start(self, box: Box) -> None:
        """Start a stopped sandbox; one that is started already is fine. Raises ``Problem``."""
        self._refuse_while_changing(box)
        if box.state == "started":
            return
        if box.state != "stopped":
            raise Problem(400, f"Sandbox is not in a state to be started: {box.state}")
        box.desired = "started"
        self._enter(box, "starting")
        await self._move(box, self._boot(box, self._settings.start_seconds), at_once=self._settings.start_seconds == 0)

    async def stop(self, box: Box) -> None:
        """Stop a started sandbox. Raises ``Problem``."""
        self._refuse_while_changing(box)
        if box.state == "stopped":
            return
        if box.state != "started":
            raise Problem(400, f"Sandbox is not in a state to be stopped: {box.state}")
        box.desired = "stopped"
        self._enter(box, "stopping")
        await self._move(box, self._halt(box), at_once=self._settings.stop_seconds == 0)

    async def destroy(self, box: Box) -> None:
        """Destroy a sandbox. Raises ``Problem`` 409 while another change is in progress."""
        if not self._settings.allow_delete_while_changing:
            self._refuse_while_changing(box)
        elif box.moving is not None and not box.moving.done():
            box.moving.cancel()
            await asyncio.wait([box.moving])
        box.desired = "destroyed"
        self._enter(box, "destroying")
        await self._move(box, self._wipe(box), at_once=self._settings.destroy_seconds == 0)

    async def force(self, box: Box, state: str, reason: str | None) -> None:
        """Put a sandbox into a state without its consent, as an outage does."""
        if box.moving is not None:
            box.moving.cancel()
            await asyncio.wait([box.moving])
        if box.jail is not None and state != "started":
            await box.jail.stop()
            box.jail = None
        box.error_reason = reason
        self._enter(box, state)
        if state == "destroyed":
            self.boxes.pop(box.id, None)
            await jail.remove_root(box.root)

    async def _move(self, box: Box, change: Coroutine[Any, Any, None], *, at_once: bool) -> None:
        box.moving = asyncio.create_task(change)
        if at_once:
            await asyncio.wait([box.moving])

    async def _come_up(self, box: Box, seconds: float) -> None:
        if box.state == "pending_build":
            await asyncio.sleep(self._settings.build_seconds)
            self._enter(box, "creating")
        await asyncio.to_thread(jail.make_root, box.root, self._uid, workspace=self._settings.workspace)
        if seconds:
            await asyncio.sleep(seconds / 2)
            self._enter(box, "starting")
        await self._boot(box, seconds / 2)

    async def _boot(self, box: Box, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            shared = Path(self._settings.shared) if self._settings.shared else None
            box.jail = await jail.start(box.root, self._runtime, self._uid, shared)
            await _prepare(box, box.jail)
        except (jail.JailGone, OSError) as error:
            box.error_reason = str(error)
            self._enter(box, "error")
            return
        box.active = time.time()
        self._enter(box, "started")

    async def _halt(self, box: Box) -> None:
        if box.jail is not None:
            await box.jail.stop()
            box.jail = None
        await asyncio.sleep(self._settings.stop_seconds)
        self._enter(box, "stopped")
        if box.minutes("autoDeleteInterval") == 0:
            box.desired = "destroyed"
            self._enter(box, "destroying")
            await self._wipe(box)

    async def _wipe(self, box: Box) -> None:
        if box.jail is not None:
            await box.jail.stop()
            box.jail = None
        await asyncio.sleep(self._settings.destroy_seconds)
        await jail.remove_root(box.root)
        self.boxes.pop(box.id, None)
        self._enter(box, "destroyed")

    def _enter(self, box: Box, state: str) -> None:
        old, box.state, box.changed = box.state, state, time.time()
        self._events.publish(box, old)

    def _refuse_while_changing(self, box: Box) -> None:
        if box.state in CHANGING:
            raise Problem(409, f"Sandbox {box.id} is changing its state ({box.state})")

    async def _watch(self) -> None:
        """Do what falls due: auto-stop, auto-delete, time to live, sandboxes whose agent died."""
        while True:
            await asyncio.sleep(max(0.02, min(1.0, self._settings.minute_seconds / 20)))
            for box in list(self.boxes.values()):
                due = self._due(box)
                if due is not None:
                    await due(box)

    def _due(self, box: Box) -> Callable[[Box], Awaitable[None]] | None:
        if box.state in CHANGING:
            return None
        minute, now = self._settings.minute_seconds, time.time()
        ttl, stop, delete = box.wanted.get("ttlMinutes"), *map(box.minutes, ("autoStopInterval", "autoDeleteInterval"))
        if ttl and now > box.created + ttl * minute:
            return self.destroy
        if box.state == "stopped" and delete >= 0 and now > box.changed + delete * minute:
            return self.destroy
        if box.state == "started" and box.jail is not None and box.jail.gone.is_set():
            return self._fail
        if box.state == "started" and stop and now > box.active + stop * minute:
            return self.stop
        return None

    async def _fail(self, box: Box) -> None:
        await self.force(box, "error", "the sandbox's daemon died")


async def _prepare(box: Box, started: jail.Jail) -> None:
    """Do in a new sandbox what its snapshot's build would have done. Raises ``JailGone`` when that fails."""
    while box.preparing:
        script = box.preparing.pop(0).encode() + b"\n"
        outcome = await shell.run(started, shell.Command(["/bin/sh"], script, "/", {}, None, _AT_ONCE))
        if outcome.code != 0:
            raise jail.JailGone(f"a build step ended with {outcome.code}: {outcome.output[-500:]}")
