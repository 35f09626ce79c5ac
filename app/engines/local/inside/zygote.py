"""Fork jails from a warm interpreter. The zygote itself never runs a user's code and never sees a user's file.

Started once by ``app.engines.local.outer`` inside bubblewrap, with all capabilities of its own user namespace (and
none outside it). Two kinds live in one process tree: ``bare``, this process, and ``loaded``, its fork with the data
stack imported.

Control is one SOCK_SEQPACKET pair for each kind. A request is one JSON packet:

    {"op": "workspace"}          -> {"ok": true} + [mount namespace, workspace directory]
    {"op": "jail"} + [socket]    -> {"ok": true} + [pidfd of the jail's pid 1]

A jail then waits on its socket for one byte with the mount namespace beside it, enters it and serves one run.
"""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from typing import Any, NoReturn

from app.engines.local.inside import jail
from app.engines.local.inside import syscalls as sys_
from app.runner import serve

_PACKET = 65536


class Zygote:
    """Answer the service's requests until its end of the socket closes."""

    def __init__(self, control: socket.socket, limits: jail.JailLimits) -> None:
        self._control = control
        self._limits = limits
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._own_mounts = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)

    def serve(self) -> None:
        """Say that we are ready, then answer packets; return when the service is gone."""
        self._reply({"ok": True, "ready": True}, [])
        while True:
            packet, descriptors, _, _ = socket.recv_fds(self._control, _PACKET, 1)
            if not packet:
                return
            self._answer(json.loads(packet), descriptors)

    def _answer(self, request: dict[str, Any], descriptors: list[int]) -> None:
        made: list[int] = []
        try:
            made = self._make_workspace() if request["op"] == "workspace" else [self._make_jail(descriptors[0])]
            self._reply({"ok": True}, made)
        except OSError as error:
            self._reply({"ok": False, "error": str(error)}, [])
        finally:
            for descriptor in (*made, *descriptors):
                os.close(descriptor)

    def _reply(self, answer: dict[str, Any], descriptors: list[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self._control.sendmsg([json.dumps(answer).encode()], rights)

    def _make_workspace(self) -> list[int]:
        """Make a mount namespace that differs from ours by one workspace, and come back."""
        sys_.unshare(sys_.CLONE_NEWNS)
        try:
            jail.make_workspace(self._limits)
            directory = os.open(jail.WORKSPACE, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            return [os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC), directory]
        finally:
            sys_.setns(self._own_mounts, sys_.CLONE_NEWNS)

    def _make_jail(self, connection: int) -> int:
        """Fork the first process of a new pid namespace and return its pidfd."""
        sys_.unshare(sys_.CLONE_NEWPID)
        try:
            pid = os.fork()
        finally:
            if os.getpid() != 1:
                sys_.setns(self._own_pids, sys_.CLONE_NEWPID)
        if pid == 0:
            self._be_jail(connection)
        return os.pidfd_open(pid)

    def _be_jail(self, connection: int) -> NoReturn:
        """Live the whole life of one jail. Its end, whatever the reason, is the end of every process in it."""
        status = 70
        try:
            self._control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            jail.close_doors()
            wire = socket.socket(fileno=connection)
            _, descriptors, _, _ = socket.recv_fds(wire, 1, 1)
            if descriptors:
                jail.enter_workspace(descriptors[0], self._limits)
                os.close(descriptors[0])
                oom = os.open("self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC, dir_fd=self._proc)
                jail.become_nobody(self._proc, self._limits)
                for inherited in (self._own_pids, self._own_mounts, self._proc):
                    os.close(inherited)
                serve.serve(wire, oom)
            status = 0
        except BaseException:  # noqa: BLE001  the end of this process either way; the reason belongs in the service's log
            traceback.print_exc()
        finally:
            os._exit(status)


def main(arguments: list[str]) -> None:
    """Read the configuration from a descriptor, split into the two kinds and serve."""
    bare, loaded, configuration = (int(argument) for argument in arguments)
    with open(configuration, encoding="utf-8") as stream:
        settings = json.load(stream)
    limits = jail.JailLimits(**{**settings["limits"], "seccomp": bytes.fromhex(settings["limits"]["seccomp"])})
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    jail.offer_font_cache(limits.font_cache)
    kind, other = (bare, loaded)
    if settings["preload"] and os.fork() == 0:
        kind, other = (loaded, bare)
        _preload(settings["preload"])
    os.close(other)
    exec(compile("None", "warm-up", "exec"), {})  # noqa: S102  our own text: first use of the compiler costs 1 ms
    gc.collect()
    gc.freeze()
    Zygote(socket.socket(fileno=kind), limits).serve()


def _preload(modules: list[str]) -> None:
    """Import the data stack; a module that is not there is nobody's error, the bare kind works without it."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"preload: {name}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
