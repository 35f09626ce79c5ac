"""Client of the zygotes: starts them inside bubblewrap and requests workspaces and jails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from librechat_code_interpreter.core.aio import finish
from librechat_code_interpreter.core.errors import EngineUnavailable
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.engines.local import bubblewrap
from librechat_code_interpreter.engines.local.engine_config import EngineConfig
from librechat_code_interpreter.engines.local.inside import jail

log = logging.getLogger(__name__)

Kind = Literal["bare", "loaded"]
_PACKET = 65536
_START_SECONDS = 60.0
_ANSWER_SECONDS = 10.0


class Control:
    """Control connection to one zygote: one packet with descriptors out, one back, one request at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._turn = asyncio.Lock()
        self._is_ready = False
        self.is_broken = False
        self._waiter: asyncio.Future[None] | None = None
        sock.setblocking(False)

    async def ready(self) -> None:
        """Wait until the zygote has reported that it is ready. Raises ``OSError`` or ``TimeoutError``."""
        if not self._is_ready:
            await asyncio.wait_for(self._receive(), _START_SECONDS)
            self._is_ready = True

    async def ask(self, operation: str, descriptors: Sequence[int] = ()) -> list[int]:
        """Send a request and return the descriptors of the reply. Raises ``EngineUnavailable``.

        A sent request always gets a reply, and the reply is always read. Otherwise the next request would receive it.
        """
        copies = [os.dup(descriptor) for descriptor in descriptors]
        return await finish(self._ask(operation, copies), _close_all)

    async def _ask(self, operation: str, copies: list[int]) -> list[int]:
        try:
            async with self._turn:
                await self.ready()
                socket.send_fds(self._sock, [json.dumps({"op": operation}).encode()], copies)
                return await asyncio.wait_for(self._receive(), _ANSWER_SECONDS)
        except (OSError, TimeoutError) as error:
            self.is_broken = True
            raise EngineUnavailable(f"The sandbox engine does not answer: {error}.") from error
        finally:
            await _close_all(copies)

    async def _receive(self) -> list[int]:
        """Receive one packet. Raises ``ConnectionError`` at the stream's end, ``EngineUnavailable`` for a refusal."""
        await self._wait_for_packet()
        packet, descriptors, _, _ = socket.recv_fds(self._sock, _PACKET, 4)
        if not packet:
            raise ConnectionResetError("the zygote is gone")
        answer = json.loads(packet)
        if not answer["ok"]:
            raise EngineUnavailable(f"The sandbox engine could not do it: {answer['error']}.")
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        return list(descriptors)

    async def _wait_for_packet(self) -> None:
        loop, number = asyncio.get_running_loop(), self._sock.fileno()
        waiter = self._waiter = loop.create_future()
        loop.add_reader(number, _settle, waiter)
        try:
            await waiter
        finally:
            if self._sock.fileno() == number:  # otherwise it was closed, and the number may be reused
                loop.remove_reader(number)

    def close(self) -> None:
        """Close the connection, which ends the zygote. A pending receive raises ``ConnectionResetError``."""
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError("the zygote was told to end"))
        self._sock.close()


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class ZygoteClient:
    """The outer jail's process, and a control connection to each zygote in it."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._process: asyncio.subprocess.Process | None = None
        self._log_task: asyncio.Task[None] | None = None
        self._stderr_lines: deque[str] = deque(maxlen=20)
        self.controls: dict[Kind, Control] = {}

    @property
    def pid(self) -> int | None:
        """Process id of the outer jail; ``None`` before the start."""
        return None if self._process is None else self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the outer jail still runs and every zygote answers."""
        if self._process is None or self._process.returncode is not None or not self.controls:
            return False
        return not any(control.is_broken for control in self.controls.values())

    async def start(self) -> None:
        """Start the process and wait until the bare zygote is ready. Raises ``EngineUnfit`` with its stderr output.

        The loaded zygote gets ready in the background (about a second of imports). Its first caller waits for it.
        """
        with tempfile.TemporaryDirectory(prefix="adapter-") as staging:
            os.chmod(staging, 0o755)  # noqa: S103  the sandbox's uid must pass through; it contains mount points only
            await self._spawn(Path(staging))
            try:
                await self.controls["bare"].ready()
            except (OSError, TimeoutError) as error:
                await self.stop()
                raise EngineUnfit(explain(" ".join(self._stderr_lines) or str(error))) from error

    async def _spawn(self, staging: Path) -> None:
        config = self.config
        pairs: dict[Kind, tuple[socket.socket, socket.socket]] = {
            kind: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for kind in ("bare", "loaded")
        }
        jail = bubblewrap.BubblewrapCommand(config.uid, staging)
        configuration = bubblewrap.memory_file(json.dumps(_configuration(config)))
        inherited = [pair[1].fileno() for pair in pairs.values()] + [configuration]
        command = self._command(jail, inherited)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
                pass_fds=[*inherited, *jail.descriptors],
                env=self._env(),
                cwd="/",
                start_new_session=True,  # one signal to the group kills both zygotes, also without a namespace
            )  # fmt: skip
        finally:
            jail.close()
            os.close(configuration)
            for pair in pairs.values():
                pair[1].close()
        self.controls = {kind: Control(pair[0]) for kind, pair in pairs.items() if kind == "bare" or config.preload}
        self._log_task = asyncio.create_task(self._log_errors())

    def _env(self) -> dict[str, str]:
        """Return the environment of the process: the launcher's, or the zygote's own where nothing clears it."""
        ours = {"PYTHONPATH": str(bubblewrap.PROJECT), "PATH": os.defpath}
        return ours if self.config.isolation == "full" else ours | self.config.zygote_env()

    def _command(self, jail: bubblewrap.BubblewrapCommand, inherited: list[int]) -> list[str]:
        """Build the command line. As root the launcher comes first and drops privileges."""
        config = self.config
        zygote = [
            f"{config.inner_runtime}/bin/python3",
            "-m",
            "librechat_code_interpreter.engines.local.inside.start",
            *map(str, inherited),
        ]
        argv = [*self._bubblewrap(jail), *zygote]
        if config.uid == os.geteuid():
            return argv
        options = json.dumps({"stage": jail.staged, "uid": config.uid, "argv": argv})
        return [sys.executable, "-m", "librechat_code_interpreter.engines.local.launch", options]

    def _bubblewrap(self, jail: bubblewrap.BubblewrapCommand) -> list[str]:
        """Build bubblewrap's part of the command line; empty where programs run without it."""
        config = self.config
        if config.bwrap is None:
            return []
        bubblewrap.build(
            jail, bubblewrap.PROJECT / "librechat_code_interpreter", config.runtime, config.base, config.zygote_env()
        )
        site = config.bwrap.parent.parent.parent
        bwrap = jail.reachable(site) / config.bwrap.relative_to(site)
        # pass the arguments by descriptor: on the command line every jail could read them in /proc/1/cmdline
        arguments = bubblewrap.memory_file("\0".join(jail.arguments) + "\0")
        jail.descriptors.append(arguments)
        return [str(bwrap), "--args", str(arguments), "--"]

    async def _log_errors(self) -> None:
        assert self._process is not None and self._process.stderr is not None  # noqa: S101  set just before this task
        async for line in self._process.stderr:
            text = line.decode("utf-8", "replace").rstrip()
            self._stderr_lines.append(text)
            log.warning("sandbox: %s", text)

    async def stop(self) -> None:
        """Kill the outer jail and every process in it, and wait until it is gone."""
        for control in self.controls.values():
            control.close()
        self.controls = {}
        if self._process is not None:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # it has already died, and the loop has not noticed yet
                    os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        if self._log_task is not None:
            await self._log_task


def _configuration(config: EngineConfig) -> dict[str, Any]:
    """Return what the zygotes need, with the environment of programs where it is the same for all."""
    return {
        "preload": config.preload,
        "limits": asdict(config.limits) | {"seccomp": config.limits.seccomp.hex()},
        "plain": _plain(config),
        "environment": None if config.home else config.program_env(jail.WORKSPACE, jail.SCRATCH),
    }


def _plain(config: EngineConfig) -> dict[str, Any] | None:
    """Return the configuration of ``PlainJails``; ``None`` with full isolation."""
    if config.isolation == "full":
        return None
    readable = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/proc", "/dev", "/opt"]
    readable += [
        str(config.runtime),
        str(config.base),
        str(bubblewrap.PROJECT / "librechat_code_interpreter" / "runner"),
    ]
    return {"home": str(config.home), "readable": readable, "with_landlock": config.isolation == "degraded"}


_RESTRICTED = (
    "This machine restricts user namespaces. On Ubuntu 23.10 and later allow them with"
    " `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`, or with an AppArmor profile for"
    " bwrap that has `userns,`."
    " In Docker add --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    " --security-opt systempaths=unconfined; in Kubernetes see docs/kubernetes.md."
)
_MASKED_PROC = (
    "In Docker add --security-opt systempaths=unconfined; in Kubernetes procMount: Unmasked, hostUsers: false."
)
_CURES = {
    "uid map": _RESTRICTED,
    "RTM_NEWADDR": _RESTRICTED,
    "No permissions to create": _RESTRICTED,
    "Creating new namespace failed": _RESTRICTED,
    "set hostname": _RESTRICTED,  # Podman's filter allows namespaces, but not naming a host in them
    "mount proc": _MASKED_PROC,
}


def explain(output: str) -> str:
    """Translate bubblewrap's error output into a cause and a fix."""
    cure = next(
        (cure for words, cure in _CURES.items() if words in output), "Run `python -m app doctor` for the details."
    )
    return f"The local engine cannot isolate programs on this machine: {output.rstrip('.')}. {cure}"
