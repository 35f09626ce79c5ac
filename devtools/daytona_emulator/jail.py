"""Run one sandbox on this machine: bubblewrap around the agent, with a root directory that outlives a stop."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from devtools.daytona_emulator import wire
from librechat_code_interpreter.engines.local.bubblewrap import ETC_NAMES, PROJECT, BubblewrapCommand, memory_file
from librechat_code_interpreter.engines.local.engine_config import find_bwrap, read_policy
from librechat_code_interpreter.engines.local.isolate import remove_tree
from librechat_code_interpreter.engines.local.readable import readable
from librechat_code_interpreter.engines.local.seccomp import compile_policy

HOME: Final = "/home/daytona"
SHARED: Final = "/shared"
_UID: Final = 1000
_CODE: Final = "/opt/emulator"
_RUNTIME: Final = "/opt/sandbox"
_PASSWD = f"root:x:0:0:root:/root:/usr/sbin/nologin\ndaytona:x:{_UID}:{_UID}::{HOME}:/bin/bash\n"
_GROUP = f"root:x:0:\ndaytona:x:{_UID}:\n"
_HOSTS = "127.0.0.1 localhost sandbox\n::1 localhost\n"
_ENV = {
    "PATH": f"{_RUNTIME}/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": HOME,
    "USER": "daytona",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_READY_SECONDS = 20.0


class JailGone(Exception):
    """The sandbox stopped, or its agent died, before it answered."""


class Refused(Exception):
    """The sandbox's own system refused a file operation; ``errno`` says how."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno


class Jail:
    """Talk to a started sandbox. ``gone`` is set when it has ended, for whatever reason."""

    def __init__(self, process: asyncio.subprocess.Process, sock: socket.socket) -> None:
        self._process = process
        self._sock = sock
        self._asked: dict[int, asyncio.Future[tuple[dict[str, Any], list[int]]]] = {}
        self._count = 0
        self._reading = asyncio.create_task(self._read())
        self.gone = asyncio.Event()

    async def ask(self, op: str, descriptors: Sequence[int] = (), **request: Any) -> tuple[dict[str, Any], list[int]]:
        """Ask the agent and wait. Raises ``Refused`` or ``JailGone``."""
        _, answer = self.begin(op, descriptors, **request)
        return await answer

    def begin(
        self, op: str, descriptors: Sequence[int] = (), **request: Any
    ) -> tuple[int, asyncio.Future[tuple[dict[str, Any], list[int]]]]:
        """Ask the agent; return the request's number and the answer to wait for. Raises ``JailGone``."""
        self._count += 1
        answer = asyncio.get_running_loop().create_future()
        try:
            wire.send(self._sock, {"id": self._count, "op": op, **request}, descriptors)
        except OSError as error:
            raise JailGone(str(error)) from error
        self._asked[self._count] = answer
        return self._count, answer

    async def _read(self) -> None:
        try:
            while True:
                await readable(self._sock.fileno())
                self._settle(*wire.receive(self._sock))
        except (OSError, ValueError):
            self._end()

    def _settle(self, answer: dict[str, Any], descriptors: list[int]) -> None:
        waiting = self._asked.pop(int(answer["id"]), None)
        if waiting is None or waiting.done():
            for descriptor in descriptors:
                os.close(descriptor)
        elif answer["ok"]:
            waiting.set_result((answer, descriptors))
        else:
            waiting.set_exception(Refused(int(answer["errno"]), str(answer["error"])))

    def _end(self) -> None:
        self.gone.set()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(JailGone("the sandbox ended"))
                waiting.exception()  # nobody may be waiting any more
        self._asked.clear()

    async def stop(self) -> None:
        """End every process of the sandbox; its files stay."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._reading.cancel()
        await asyncio.wait([self._reading])
        self._end()
        self._sock.close()


def make_root(root: Path, uid: int, *, workspace: bool) -> None:
    """Make the root directory of a new sandbox; without ``workspace``, a snapshot that has no such directories."""
    places = ["home", HOME[1:], "tmp", "mnt", "opt", "root", *(("workspace", "mnt/data") if workspace else ())]
    for place in ("", *places):
        (root / place).mkdir(mode=0o755)
        if os.geteuid() == 0:
            os.chown(root / place, uid, uid)
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        if Path("/", name).is_symlink():
            (root / name).symlink_to(os.readlink(Path("/", name)))


async def remove_root(root: Path) -> None:
    """Remove a sandbox's root directory, whatever its programs did to modes in there."""
    if os.geteuid() != 0:
        process = await asyncio.create_subprocess_exec(
            "chmod", "-R", "u+rwX", "--", str(root), stderr=asyncio.subprocess.DEVNULL
        )
        await process.wait()
    await remove_tree(root)


async def start(root: Path, runtime: Path, uid: int, shared: Path | None = None) -> Jail:
    """Start a sandbox in its root directory. Raises ``JailGone`` with what bubblewrap said."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with tempfile.TemporaryDirectory(prefix="emulator-") as staging:
        os.chmod(staging, 0o755)  # noqa: S103  the sandbox's uid must get through; it holds mount points only
        outer = BubblewrapCommand(uid, Path(staging))
        try:
            command = _command(outer, root, runtime, shared, theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
                pass_fds=[theirs.fileno(), *outer.descriptors],
                env={"PYTHONPATH": str(PROJECT), "PATH": os.defpath},
                cwd="/",
                **_identity(outer),
            )  # fmt: skip
        finally:
            outer.close()
            theirs.close()
        await _wait_until_ready(ours, process)
    return Jail(process, ours)


async def _wait_until_ready(sock: socket.socket, process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(readable(sock.fileno()), _READY_SECONDS)
        wire.receive(sock)
    except (OSError, TimeoutError) as error:
        if process.returncode is None:
            process.kill()
        said = await process.stderr.read() if process.stderr else b""
        sock.close()
        raise JailGone(f"the sandbox did not start: {said.decode(errors='replace').strip() or error}") from error


def _command(outer: BubblewrapCommand, root: Path, runtime: Path, shared: Path | None, sock: int) -> list[str]:
    """Write the command line; what the uid cannot reach is mounted for it by a launcher, which then drops to it."""
    bwrap = find_bwrap()
    site = bwrap.parent.parent.parent
    program = outer.reachable(site) / bwrap.relative_to(site)
    _describe(outer, root, runtime)
    if shared is not None:
        outer.arguments += ["--bind", str(outer.reachable(shared)), SHARED]
    arguments = memory_file("\0".join(outer.arguments) + "\0")
    outer.descriptors.append(arguments)
    agent = [f"{_RUNTIME}/bin/python3", "-I", "-S", f"{_CODE}/start.py", str(sock)]
    argv = [str(program), "--args", str(arguments), "--", *agent]
    if not outer.staged:
        return argv
    order = json.dumps({"stage": outer.staged, "uid": outer.uid, "argv": argv})
    return [sys.executable, "-S", "-m", "librechat_code_interpreter.engines.local.launch", order]


def _identity(outer: BubblewrapCommand) -> dict[str, Any]:
    """Return the user to start as: never root, unless it is the launcher, which mounts before it drops to it."""
    if outer.staged or outer.uid == os.geteuid():
        return {}
    return {"user": outer.uid, "group": outer.uid, "extra_groups": []}


def _describe(outer: BubblewrapCommand, root: Path, runtime: Path) -> None:
    """Describe the sandbox to bubblewrap: a root of its own, the machine's programs, the runtime, no network."""
    outer.arguments += [
        "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--uid", str(_UID), "--gid", str(_UID), "--hostname", "sandbox", "--disable-userns", "--cap-drop", "ALL",
        "--die-with-parent", "--new-session", "--clearenv", "--bind", str(root), "/",
    ]  # fmt: skip
    for name, value in _ENV.items():
        outer.arguments += ["--setenv", name, value]
    outer.bind(Path("/usr"))
    for path in (Path("/bin"), Path("/sbin"), Path("/lib"), Path("/lib64"), Path("/lib32")):
        if path.is_dir() and not path.is_symlink():
            outer.bind(path)
    for path in (path for name in ETC_NAMES for path in Path("/etc").glob(name) if path.exists()):
        outer.bind(path.resolve(), str(path))
    for text, target in ((_PASSWD, "/etc/passwd"), (_GROUP, "/etc/group"), (_HOSTS, "/etc/hosts")):
        outer.write(text, target)
    outer.bind(runtime, _RUNTIME)
    base = (runtime / "bin" / "python3").resolve().parent.parent
    if base != Path("/usr"):
        outer.bind(base)
    here = Path(__file__).parent
    for name in ("wire.py", "agent.py"):
        outer.write((here / name).read_text(encoding="utf-8"), f"{_CODE}/{name}")
    outer.write(f"import sys; sys.path.insert(0, {_CODE!r}); import agent; agent.main()", f"{_CODE}/start.py")
    outer.arguments += ["--proc", "/proc", "--dev", "/dev", "--chdir", HOME]
    outer.descriptors.append(_filter())
    outer.arguments += ["--seccomp", str(outer.descriptors[-1])]


def _filter() -> int:
    """Return a descriptor of the local engine's seccomp filter."""
    descriptor = os.memfd_create("seccomp")
    os.write(descriptor, compile_policy(read_policy(), has_memory_cgroup=True))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
