"""Warm pool of jails, so that a run need not wait for namespaces to be made."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from librechat_code_interpreter.core.aio import finish
from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.events import Events, PoolFilled, PoolTaken, PoolWhole
from librechat_code_interpreter.engines.local import release
from librechat_code_interpreter.engines.local.cgroups import Cgroups, Group
from librechat_code_interpreter.engines.local.egress_proxy import EgressProxy
from librechat_code_interpreter.engines.local.readable import readable
from librechat_code_interpreter.engines.local.zygote_client import Kind, ZygoteClient
from librechat_code_interpreter.runner.serve import TIME_ENOUGH, pack

log = logging.getLogger(__name__)

_LONG_RUN_SECONDS = 0.25
"""From this time into a run, new jails are made beside it. Before, they would only slow it."""

_QUIET_SECONDS = 0.02
"""If no jail was taken or made for this time, the next ones in the pool may use the processors."""


@dataclass(slots=True)
class Jail:
    """A jail for one run: the socket to its runner, the pidfd of its pid 1, its control group."""

    kind: Kind
    wire: socket.socket
    pidfd: int
    group: Group | None
    pid: int = 0
    """The runner's process id as the host sees it."""

    made_at: float = field(default_factory=time.monotonic)
    proxy: asyncio.Server | None = None

    def has_ended(self) -> bool:
        """Return whether the jail's first process is gone."""
        ended = select.poll()
        ended.register(self.pidfd, select.POLLIN)
        return bool(ended.poll(0))

    def ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed a process of the jail for its memory."""
        return self.group is not None and self.group.ran_out_of_memory()

    def kill(self) -> None:
        """Kill the first process. With full isolation the kernel then kills all others of its pid namespace."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    async def close(self) -> None:
        """Kill what is left, wait until the kernel has ended the jail, and release all it holds."""
        self.wire.close()
        self.kill()
        if self.proxy is not None:
            self.proxy.close()
        await readable(self.pidfd)
        os.close(self.pidfd)
        if self.group is not None:
            release.soon(self.group.release)


@dataclass(slots=True)
class PreparedJail:
    """A jail already in an empty workspace, with its program's process made: for the first run of a session."""

    jail: Jail
    namespace: int
    """Descriptor of its mount namespace, which later jails of the sandbox enter."""

    root: int
    """Descriptor of its workspace's root."""

    has_time: bool = False
    """Whether it was allowed to copy ahead the memory that its run will write to."""

    def use_time(self) -> None:
        """Allow it to copy that memory ahead; only the first call has an effect."""
        if not self.has_time:
            self.has_time = True
            with contextlib.suppress(OSError):  # it has ended; the next taker checks for that
                self.jail.wire.send(pack(TIME_ENOUGH))

    def has_ended(self) -> bool:
        return self.jail.has_ended()

    async def close(self) -> None:
        release.close_soon(self.namespace, self.root)
        await self.jail.close()


T = TypeVar("T", Jail, PreparedJail)


class JailPool:
    """Warm pool of jails of each kind: ``target`` for sessions that have a workspace, ``target`` prepared for new ones.

    Where workspaces are host directories, no jail is prepared.
    """

    def __init__(
        self,
        zygotes: ZygoteClient,
        cgroups: Cgroups | None,
        memory_bytes: int,
        processes: int,
        target: int,
        events: Events,
        egress: EgressProxy | None = None,
        has_idle_processor: Callable[[], bool] = lambda: True,
    ) -> None:
        self._zygotes = zygotes
        self._cgroups = cgroups
        self._limits = (memory_bytes, processes)
        self._target = target
        self._ready: dict[Kind, deque[Jail]] = {kind: deque() for kind in zygotes.controls}
        self._prepared: dict[Kind, deque[PreparedJail]] = {kind: deque() for kind in zygotes.controls}
        self._prepared_target = 0 if zygotes.config.home else target
        self._dead: list[Jail | PreparedJail] = []
        self._events = events
        self._egress = egress
        self._has_idle_processor = has_idle_processor
        self._short_since: float | None = None
        self._quiet: asyncio.TimerHandle | None = None
        self._refill_wanted = asyncio.Event()
        self._refill_wanted.set()

    @property
    def is_full(self) -> bool:
        """Whether no jail is missing, and the end of the last shortage has been reported."""
        return self._is_filled() and self._short_since is None

    def waiting(self, kind: Kind) -> list[PreparedJail]:
        """Return the prepared jails of a kind, the next one first."""
        return list(self._prepared[kind])

    async def take(self, kind: Kind) -> Jail:
        """Take a ready jail, or make one. Raises ``EngineUnavailable``."""
        if kind not in self._ready:
            kind = "bare"
        ready = self._ready[kind]
        jail = self._next(ready)
        self._report_taken("jail", kind, len(ready), jail)
        return jail or await self._make(kind)

    def take_prepared(self, kind: Kind) -> PreparedJail | None:
        """Take a jail with an empty workspace, if one is ready."""
        if kind not in self._prepared:
            kind = "bare"
        ready = self._prepared[kind]
        prepared = self._next(ready)
        self._report_taken("prepared", kind, len(ready), prepared.jail if prepared else None)
        return prepared

    def _next(self, ready: deque[T]) -> T | None:
        """Take the first live jail. One whose zygote was killed would cost a run its only retry."""
        while ready:
            jail = ready.popleft()
            if not jail.has_ended():
                return jail
            self._dead.append(jail)
        return None

    def _report_taken(self, pool: Literal["prepared", "jail"], kind: Kind, left: int, jail: Jail | None) -> None:
        if self._target == 0:
            return
        now = time.monotonic()
        self._short_since = self._short_since or now
        self._events.tell(PoolTaken(pool, kind, jail is not None, now - jail.made_at if jail else None, left))
        asyncio.get_running_loop().call_later(_LONG_RUN_SECONDS, self.refill)
        self._wait_for_quiet()

    def refill(self) -> None:
        """Start refilling. Called after a run, or ``_LONG_RUN_SECONDS`` into it, so that refilling does not slow it."""
        self._refill_wanted.set()

    async def keep_full(self) -> None:
        """Refill the pool forever, as a background task of the engine."""
        while True:
            await self._refill_wanted.wait()
            self._refill_wanted.clear()
            try:
                await self._fill()
            except EngineUnavailable as error:
                log.warning("no jail could be kept ready: %s", error)

    async def _fill(self) -> None:
        while self._dead:
            await self._dead.pop().close()
        for kind, prepared in self._prepared.items():
            while len(prepared) < self._prepared_target:
                prepared.append(await self._prepare(kind))
                self._events.tell(PoolFilled("prepared", kind, len(prepared)))
        for kind, ready in self._ready.items():
            while len(ready) < self._target:
                ready.append(await self._make(kind))
                self._events.tell(PoolFilled("jail", kind, len(ready)))
        self._wait_for_quiet()
        if self._short_since is not None and self._is_filled():
            self._events.tell(PoolWhole("jail", time.monotonic() - self._short_since))
            self._short_since = None

    def _wait_for_quiet(self) -> None:
        if self._quiet is not None:
            self._quiet.cancel()
        self._quiet = asyncio.get_running_loop().call_later(_QUIET_SECONDS, self.give_time)

    def give_time(self) -> None:
        """Allow the next jail of each kind to copy its memory ahead, if that takes nothing from a run."""
        if self._has_idle_processor():
            for ready in self._prepared.values():
                if ready:
                    ready[0].use_time()

    def _is_filled(self) -> bool:
        prepared = all(len(ready) >= self._prepared_target for ready in self._prepared.values())
        return prepared and all(len(ready) >= self._target for ready in self._ready.values())

    async def _prepare(self, kind: Kind) -> PreparedJail:
        """Make a jail and send it into an empty workspace of its own."""
        return await finish(self._prepare_unshielded(kind), PreparedJail.close)

    async def _prepare_unshielded(self, kind: Kind) -> PreparedJail:
        jail, (namespace, root) = await self._request(kind, "prepared")
        prepared = PreparedJail(jail, namespace, root)
        try:
            socket.send_fds(jail.wire, [b"."], [namespace])
        except OSError as error:
            await prepared.close()
            raise EngineUnavailable(f"A sandbox could not be prepared: {error}.") from error
        return prepared

    async def _make(self, kind: Kind) -> Jail:
        return await finish(self._make_unshielded(kind), Jail.close)

    async def _make_unshielded(self, kind: Kind) -> Jail:
        return (await self._request(kind, "jail"))[0]

    async def _request(self, kind: Kind, what: Literal["jail", "prepared"]) -> tuple[Jail, list[int]]:
        """Request a jail from its zygote. Return it and the other descriptors of the reply."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            pidfd, *more = await self._zygotes.controls[kind].ask(what, [theirs.fileno()])
        except EngineUnavailable:
            ours.close()
            raise
        finally:
            theirs.close()
        jail = Jail(kind, ours, pidfd, None)
        try:
            jail.pid = _pid_of(pidfd)
            jail.group = await asyncio.to_thread(self._add_group, jail.pid)
            jail.proxy = await self._egress.open(ours) if self._egress is not None else None
        except OSError as error:
            release.close_soon(*more)
            await jail.close()
            raise EngineUnavailable(f"The limits of a sandbox could not be set: {error}.") from error
        return jail, more

    def _add_group(self, pid: int) -> Group | None:
        """Move the jail's pid 1 into a control group of its own. Runs in a thread: the kernel may take 20 ms."""
        if self._cgroups is None:
            return None
        group = self._cgroups.make(*self._limits)
        try:
            group.add(pid)
        except OSError:
            group.remove()
            raise
        return group

    async def close(self) -> None:
        """Close the jails that wait."""
        for waiting in self._waiting():
            await waiting.close()

    def _waiting(self) -> Iterator[Jail | PreparedJail]:
        while self._dead:
            yield self._dead.pop()
        for ready in self._ready.values():
            while ready:
                yield ready.popleft()
        for prepared in self._prepared.values():
            while prepared:
                yield prepared.popleft()


def _pid_of(pidfd: int) -> int:
    """Return the process id as the host sees it. Raises ``ProcessLookupError`` if the process has ended."""
    with open(f"/proc/self/fdinfo/{pidfd}", encoding="ascii") as info:
        match = re.search(r"^Pid:\s*(\d+)$", info.read(), re.MULTILINE)
    if match is None:
        raise ProcessLookupError("the jail ended before its run")
    return int(match.group(1))
