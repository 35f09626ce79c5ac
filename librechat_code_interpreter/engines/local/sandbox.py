"""Sandbox of the local engine: a workspace that outlives its runs, and a fresh jail for each run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import orjson

from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.protocols import Staged
from librechat_code_interpreter.core.untrusted import parse_reply
from librechat_code_interpreter.engines.local import release
from librechat_code_interpreter.engines.local.inside import jail
from librechat_code_interpreter.engines.local.inside.no_namespaces import scratch_of
from librechat_code_interpreter.engines.local.isolate import remove_tree
from librechat_code_interpreter.engines.local.jail_pool import Jail
from librechat_code_interpreter.engines.local.jails import Jails
from librechat_code_interpreter.engines.local.zygote_client import Kind
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Pause, Reply, Request, Results
from librechat_code_interpreter.runner.serve import HEADER, PAUSE, STARTED, pack

log = logging.getLogger(__name__)

GRACE_SECONDS = 30.0
"""What a runner may take beyond the program's time: for two scans of the workspace on a busy machine."""

_MEMORY_POLL_SECONDS = 0.25
_READ_BYTES = 1 << 18
_MAX_REPLY_BYTES = 1 << 30
"""No reply is as large, whatever the output limits."""

_IMPORTED = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)|import[ \t]+([\w., \t]+))", re.MULTILINE)


_BARE = sys.stdlib_module_names - {"asyncio"}
"""What a program may import in the bare interpreter. ``asyncio`` takes it 26 ms; the loaded one has it."""


_MAY_START_PYTHON = re.compile(r"py|(?:^|[\s;&|(])(?:\./|\.?/\w|(?:ba|da|)sh\s|source\s|make\b|env\s)", re.MULTILINE)
"""Programs of other languages that may start Python: they name it, or run a file whose content is unknown."""


_STARTS_PYTHON = re.compile(r"sys\.executable|python|\.py\b")
"""Python programs that may start another one."""


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """Directories of a sandbox as its programs see them."""

    workspace: str = jail.WORKSPACE
    scratch: str = jail.SCRATCH


@dataclass(frozen=True, slots=True)
class _Paused:
    """Jail of a program that waits for the results of a pause, with that pause's number."""

    jail: Jail
    number: int
    wall_seconds: float


class LocalSandbox:
    """A workspace: descriptors of what a jail enters and of its root. It costs no process while idle.

    A new sandbox has no workspace. Its first run takes a prepared jail, already in an empty workspace, if one is ready.
    """

    def __init__(self, jails: Jails) -> None:
        self.id = new_id()
        self._jails = jails
        self._namespace = self._root = -1
        self._is_closed = False
        self._making = asyncio.Lock()
        self._on_host = False
        self.paths = WorkspacePaths()
        self._paused: _Paused | None = None
        self._in_use: list[Jail] = []
        self._used_at = time.monotonic()

    def unused_seconds(self) -> float:
        """Return for how long nothing has run here."""
        return 0.0 if self._in_use else time.monotonic() - self._used_at

    @property
    def runner_pids(self) -> list[int]:
        """Process ids, as the host sees them, of the first process of each jail in which a program runs now."""
        return [jail.pid for jail in self._in_use]

    @property
    def has_workspace(self) -> bool:
        """Whether it has a workspace, which dies with the zygotes."""
        return self._root >= 0

    async def make_on_host(self) -> None:
        """Create the workspace now, as a directory of the host."""
        await self._ensure_workspace()
        self._on_host, self.paths = True, paths_on_host(self._root)

    async def _ensure_workspace(self, kind: Kind | None = None) -> Jail | None:
        """Ensure that there is a workspace. Return the prepared jail in it, if one came with it."""
        async with self._making:
            self._check_alive()
            if self._root >= 0:
                return None
            prepared = self._jails.take_prepared(kind) if kind is not None else None
            if prepared is not None:
                self._namespace, self._root = prepared.namespace, prepared.root
                return prepared.jail
            self._namespace, self._root = await self._jails.make_workspace()
            if self._is_closed:
                self._release_workspace()
            self._check_alive()
            return None

    async def put(self, files: Sequence[Staged]) -> dict[str, str]:
        """Write files into the workspace. Return the reason for each path that could not be written."""
        refused: dict[str, str] = {}
        await self._ensure_workspace()
        with self._duplicate_root() as root:
            for item in files:
                try:
                    await self._jails.io.put(root, item)
                except OSError as error:
                    refused[item.path] = error.strerror or str(error)
        return refused

    async def get(self, path: str) -> AsyncIterator[bytes]:
        await self._ensure_workspace()
        with self._duplicate_root() as root:
            async for chunk in self._jails.io.get(root, path):
                yield chunk

    async def exchange(self, request: Request) -> Reply:
        """Run one program in a fresh jail. Cancelling kills the jail."""
        reply = await self.begin(replace(request, tools=None))
        assert isinstance(reply, Reply)  # noqa: S101  without tools nothing pauses
        return reply

    async def begin(self, request: Request) -> Reply | Pause:
        """Run one program in a fresh jail, to its end or first pause. Cancelling kills the jail."""
        kind = kind_for(request)
        jail, namespace = await self._ensure_workspace(kind), None
        if jail is None:
            jail, namespace = await self._jail_to_enter(kind)
        wall_seconds = request.limits.wall_seconds
        return await self._await_reply(jail, exchange(jail, namespace, self._complete(request)), wall_seconds)

    async def _jail_to_enter(self, kind: Kind) -> tuple[Jail, int]:
        """Take a jail that is in no workspace yet, and return it with the descriptor that it has to enter.

        Raises ``EngineUnavailable`` if the sandbox was closed while the jail was made.
        """
        jail = await self._jails.take(kind)
        if self._is_closed:
            await self._end(jail)
        self._check_alive()
        return jail, self._namespace

    async def resume(self, results: Results) -> Reply | Pause:
        """Resume the paused program. Cancelling kills it."""
        self._check_alive()
        if self._paused is None or self._paused.number != results.number:
            raise EngineUnavailable("No program waits for these results.")
        paused, self._paused = self._paused, None
        return await self._await_reply(
            paused.jail, resume(paused.jail, results, paused.wall_seconds), paused.wall_seconds
        )

    async def _await_reply(
        self, jail: Jail, reply: Coroutine[Any, Any, Reply | Pause], wall_seconds: float
    ) -> Reply | Pause:
        """Await the reply of a run. Keep its jail if it pauses, else end the jail."""
        self._in_use.append(jail)
        self._jails.running += 1
        try:
            answer = await reply
            if isinstance(answer, Pause) and not self._is_closed:
                self._paused = _Paused(jail, answer.number, wall_seconds)
            return answer
        finally:
            self._in_use.remove(jail)
            self._jails.running -= 1
            self._used_at = time.monotonic()
            if self._paused is None:
                await self._end(jail)

    async def _end(self, jail: Jail) -> None:
        # The reply need not wait for the kernel to remove the namespaces (4 ms). Nothing runs in them any more, or,
        # if the request was cancelled, nothing will after the kill.
        jail.kill()
        ending = self._jails.close_later(jail, at_once=self._on_host)
        if self._on_host:  # its temporary files must be gone before the next run makes its own
            await asyncio.shield(ending)
            await asyncio.shield(remove_tree(self.paths.scratch))

    @contextmanager
    def _duplicate_root(self) -> Iterator[int]:
        """Duplicate the root for one operation: once closed, its number soon means another sandbox's root."""
        self._check_alive()
        root = os.dup(self._root)
        try:
            yield root
        finally:
            os.close(root)

    def _check_alive(self) -> None:
        if self._is_closed:
            raise EngineUnavailable("The sandbox was destroyed.")

    def _complete(self, request: Request) -> Request:
        """Return the request with the sandbox's directories, environment and watched memory limit."""
        paths = self.paths
        env = self._jails.program_env(paths.workspace, paths.scratch) | request.env
        limits = replace(request.limits, memory_bytes=self._jails.watched_memory)
        return replace(request, workspace=paths.workspace, scratch=paths.scratch, env=env, limits=limits)

    async def close(self) -> None:
        """Kill the paused program, if there is one, and release the workspace, which the kernel frees."""
        paused, self._paused = self._paused, None
        self._is_closed = True
        self._release_workspace()
        if paused is not None:
            await self._end(paused.jail)
        if self._on_host:
            await remove_tree(self.paths.workspace)

    def _release_workspace(self) -> None:
        release.close_soon(self._namespace, self._root)
        self._namespace = self._root = -1


def paths_on_host(root: int) -> WorkspacePaths:
    """Return the directories of a workspace that is a directory of the host."""
    workspace = os.readlink(f"/proc/self/fd/{root}")
    return WorkspacePaths(workspace, scratch_of(workspace))


def kind_for(request: Request) -> Kind:
    """Choose the loaded interpreter if the program has tools, imports what only that one has, or may start Python."""
    if request.program.place != "warm":
        return "loaded" if _MAY_START_PYTHON.search(request.program.source) else "bare"
    if request.tools is not None or _STARTS_PYTHON.search(request.program.source):
        return "loaded"
    for match in _IMPORTED.finditer(request.program.source):
        names = (match.group(1) or match.group(2)).split(",")
        if any(name.strip().partition(".")[0].split(" ")[0] not in _BARE for name in names):
            return "loaded"
    return "bare"


async def exchange(jail: Jail, namespace: int | None, request: Request) -> Reply | Pause:
    """Send the request and return the reply or pause. A jail that is not prepared first enters ``namespace``.

    A jail that ends without a reply yields the ending ``LOST``, or ``MEMORY`` if it ran out of memory. Raises
    ``EngineUnavailable`` if it is lost before the program started.
    """
    try:
        if namespace is not None:
            socket.send_fds(jail.wire, [b"."], [namespace])
        await asyncio.get_running_loop().sock_sendall(jail.wire, pack(_json_of(request)))
    except OSError as error:
        raise EngineUnavailable(f"The sandbox went away before the program started: {error}.") from error
    return await _receive_reply(jail, request.limits.wall_seconds, has_started=False)


async def resume(jail: Jail, results: Results, wall_seconds: float) -> Reply | Pause:
    """Send the results to a paused program. One that has ended meanwhile has left its reply."""
    with suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(jail.wire, pack(_json_of(results)))
    return await _receive_reply(jail, wall_seconds, has_started=True)


def _json_of(message: Request | Results) -> bytes:
    """Serialize a message. Only the slower ``json`` takes lone surrogates, which a program's text may contain."""
    try:
        return orjson.dumps(message)
    except TypeError:
        return json.dumps(message.to_json()).encode()


async def _receive_reply(jail: Jail, wall_seconds: float, *, has_started: bool) -> Reply | Pause:
    """Wait for the runner's reply or pause. A runner ``GRACE_SECONDS`` over its time limit is reported as ``LOST``."""
    watcher = asyncio.create_task(_kill_when_out_of_memory(jail))
    try:
        async with asyncio.timeout(wall_seconds + GRACE_SECONDS):
            kind, body = await _receive(jail.wire)
    except TimeoutError:
        log.warning("a runner did not answer in time; its jail is ended")
        return Reply(Ending.LOST, signal="SIGKILL")
    finally:
        watcher.cancel()
    if kind == PAUSE and body is not None:
        return _parse(Pause, body)
    if body is None:
        ran_out = jail.ran_out_of_memory()
        if kind is None and not has_started and not ran_out:
            raise EngineUnavailable("The sandbox went away before the program started.")
        return Reply(Ending.MEMORY if ran_out else Ending.LOST, signal="SIGKILL")
    reply = _parse(Reply, body)
    if isinstance(reply, Reply) and reply.ending in (Ending.SIGNAL, Ending.EXIT) and jail.ran_out_of_memory():
        reply.ending = Ending.MEMORY
    return reply


def _parse(kind: type[Pause | Reply], body: bytes) -> Reply | Pause:
    """Parse an untrusted reply.

    An invalid one comes from a program that took over its runner; the run is then reported as ``LOST``.
    """
    try:
        return parse_reply(kind, body)
    except ValueError as error:
        log.warning("invalid reply of a runner: %s", error)
        return Reply(Ending.LOST, signal="SIGKILL")


async def _kill_when_out_of_memory(jail: Jail) -> None:
    """Kill a program when the kernel has killed one of its processes; the others might wait for it forever."""
    while jail.group is not None:
        await asyncio.sleep(_MEMORY_POLL_SECONDS)
        if jail.group.ran_out_of_memory():
            jail.group.kill_all_but(jail.pid)
            return


async def _receive(wire: socket.socket) -> tuple[bytes | None, bytes | None]:
    """Return the kind of the last message that began to arrive, and the body of the pause or reply.

    The body is ``None`` if the jail ended first or the message exceeds ``_MAX_REPLY_BYTES``.
    """
    loop, received, kind = asyncio.get_running_loop(), bytearray(), None
    while True:
        if kind in (None, STARTED) and received:
            kind = bytes(received[:1])
            del received[:1]
            continue
        if kind is not None and len(received) >= HEADER.size:
            end = HEADER.size + HEADER.unpack_from(received)[0]
            if end > _MAX_REPLY_BYTES:
                return kind, None
            if len(received) >= end:
                return kind, bytes(memoryview(received)[HEADER.size : end])
        try:
            chunk = await loop.sock_recv(wire, _READ_BYTES)
        except ConnectionError:
            chunk = b""
        if not chunk:
            return kind, None
        received += chunk
