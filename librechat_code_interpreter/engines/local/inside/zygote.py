"""Zygote that forks jails from a warm interpreter. It never runs a user's code and never sees a user's file.

``engines.local.zygote_client`` starts it once, through ``start``, inside bubblewrap. It has all capabilities in its
own user namespace and none outside it. Two kinds live in one process tree: ``bare``, this process, and ``loaded``, its
fork with the data stack imported.

The control connection is one SOCK_SEQPACKET pair for each kind. A request is one JSON packet:

    {"op": "workspace"}               -> {"ok": true} + [mount namespace, workspace directory]
    {"op": "jail"} + [socket]         -> {"ok": true} + [pidfd of the jail's first process]
    {"op": "prepared"} + [socket]     -> both: the pidfd first

A jail that has a proxy sends the proxy's listening socket. It then waits on its own socket for one byte with a
descriptor, of its mount namespace or of a host directory. It enters that and serves one run. How a jail is made depends
on the isolation: ``NamespaceJails`` or ``PlainJails``.
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
from typing import Any, NoReturn, Protocol

from librechat_code_interpreter.engines.local.inside import warm_up
from librechat_code_interpreter.engines.local.inside.jail import NamespaceJails
from librechat_code_interpreter.engines.local.inside.limits import JailLimits
from librechat_code_interpreter.engines.local.inside.no_namespaces import PlainJails
from librechat_code_interpreter.engines.local.inside.pages import Pages, gather, learn, let_go
from librechat_code_interpreter.runner import serve, warm_python

_PACKET = 65536
_TOOLS = "librechat_code_interpreter.runner.pythontools"
"""What programs with tools need. Where there are two kinds, these programs are of the loaded one. Its imports
(``asyncio``) would be most of the bare kind's memory, and each fork pays for copying them."""


class JailFactory(Protocol):
    """Factory of workspaces and jails."""

    workspace: str | None
    """Path of the workspace as programs see it, if it is the same for all."""

    def warm_up(self) -> None:
        """Prepare what importing the data stack needs."""
        ...

    def make_workspace(self) -> list[int]:
        """Create a workspace. Return two descriptors: what a jail enters, and the workspace's directory."""
        ...

    def fork(self) -> int:
        """Fork the first process of a jail, in a pid namespace of its own if there are namespaces."""
        ...

    def prepare(self) -> socket.socket | None:
        """Do the jail's steps that do not depend on the session. Return the socket of its proxy, if it has one."""
        ...

    def enter(self, descriptor: int) -> int | None:
        """Enter the workspace and drop all privileges. Return a descriptor of our own ``oom_score_adj``."""
        ...


class Zygote:
    """Server of the control connection, until the service closes its end."""

    def __init__(self, control: socket.socket, jails: JailFactory, pages: Pages, *, is_loaded: bool) -> None:
        self._control = control
        self._jails = jails
        self._pages = pages
        self._is_loaded = is_loaded

    def serve(self) -> None:
        """Report readiness, then answer requests; return when the service is gone."""
        try:
            self._reply({"ok": True, "ready": True}, [])
            while True:
                packet, descriptors, _, _ = socket.recv_fds(self._control, _PACKET, 1)
                if not packet:
                    return
                self._answer(json.loads(packet), descriptors)
        except ConnectionError:
            return

    def _answer(self, request: dict[str, Any], descriptors: list[int]) -> None:
        reply: list[int] = []
        try:
            if request["op"] != "workspace":
                reply.append(self._jail(descriptors[0]))
            if request["op"] != "jail":
                reply += self._jails.make_workspace()
            self._reply({"ok": True}, reply)
        except ConnectionError:
            raise
        except OSError as error:
            self._reply({"ok": False, "error": str(error)}, [])
        finally:
            for descriptor in (*reply, *descriptors):
                os.close(descriptor)

    def _reply(self, answer: dict[str, Any], descriptors: list[int]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self._control.sendmsg([json.dumps(answer).encode()], rights)

    def _jail(self, connection: int) -> int:
        pid = self._jails.fork()
        if pid == 0:
            self._run_jail(connection)
        return os.pidfd_open(pid)

    def _run_jail(self, connection: int) -> NoReturn:
        """Run one jail. When this process ends, for whatever reason, every process in the jail ends."""
        status = 70
        try:
            self._control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            proxy = self._jails.prepare()
            wire = socket.socket(fileno=connection)
            if proxy is not None:
                socket.send_fds(wire, [b"."], [proxy.fileno()])
                proxy.close()
            _, descriptors, _, _ = socket.recv_fds(wire, 1, 1)
            if descriptors:
                self._serve(wire, descriptors[0])
            status = 0
        except BaseException:  # noqa: BLE001  the end of this process either way; the reason belongs in the service's log
            traceback.print_exc()
        finally:
            os._exit(status)

    def _serve(self, wire: socket.socket, workspace: int) -> None:
        """Serve one run. Python programs that it starts run as forks, if its packages are loaded."""
        oom = self._jails.enter(workspace)
        serves_forks = self._is_loaded and self._jails.workspace is not None
        serve.serve(wire, oom, self._jails.workspace, self._pages, serves_forks=serves_forks)


def main(arguments: list[str]) -> None:
    """Read the configuration from a descriptor, fork into the two kinds and serve."""
    bare, loaded, configuration = (int(argument) for argument in arguments)
    with open(configuration, encoding="utf-8") as stream:
        settings = json.load(stream)
    limits = JailLimits(**{**settings["limits"], "seccomp": bytes.fromhex(settings["limits"]["seccomp"])})
    jails: JailFactory = PlainJails(limits, **settings["plain"]) if settings["plain"] else NamespaceJails(limits)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    jails.warm_up()
    _rehearse()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    kind, other = (bare, loaded)
    if settings["preload"] and os.fork() == 0:
        kind, other = (loaded, bare)
    if kind == loaded or not settings["preload"]:
        _preload([*settings["preload"], _TOOLS])
    os.close(other)
    exec(compile("None", "warm-up", "exec"), {})  # noqa: S102  our own text: first use of the compiler costs 1 ms
    warm_python.get_ready(settings["environment"])
    gc.collect()
    gc.freeze()
    gather()
    is_loaded = kind == loaded
    pages = _learn(jails, is_loaded=is_loaded)
    let_go()
    Zygote(socket.socket(fileno=kind), jails, pages, is_loaded=is_loaded).serve()


def _rehearse() -> None:
    try:
        warm_up.run()
    except OSError as error:  # perhaps no temporary directory; programs then start slower
        print(f"rehearsal: {error!r}", file=sys.stderr)


def _learn(jails: JailFactory, *, is_loaded: bool) -> Pages:
    """Return the pages that runs write to; empty where no jail waits in a workspace, since none would copy them."""
    if jails.workspace is None:
        return Pages()
    return learn(warm_up.program() if is_loaded else "print(2 + 2)")


def _preload(modules: list[str]) -> None:
    """Import the data stack. A module that cannot be imported is no error: programs work without it."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001  a module may raise anything while it is imported
            print(f"preload: {name}: {error!r}", file=sys.stderr)
    try:
        warm_up.draw()
    except Exception as error:  # noqa: BLE001  the same; plots are then slower
        print(f"rehearsal: {error!r}", file=sys.stderr)
