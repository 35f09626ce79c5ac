"""Fork server: runs the Python programs that a sandbox's programs start as forks of this process.

This process has the packages loaded. Every ``python3`` of the sandbox runs ``sandbox/start_hook.py`` first. If its
program imports a package, the hook passes the program to this server and waits. So ``import pandas`` takes
milliseconds, however Python was started.

One connection (SOCK_SEQPACKET, abstract address) serves one program:

    hook → server    one byte + [memory file with a ``ForkRequest``, working directory, descriptors of the program]
    server → hook    ``STARTED`` + process id, or ``REFUSED``: the hook then runs the program itself
    server → hook    ``ENDED`` + wait status

The hook forwards signals. When it is killed, its connection closes and the server kills the program.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from librechat_code_interpreter.runner import forked_python

ADDRESS = "\0sandbox-python"
"""Abstract, so that it exists in the network namespace of the jail alone."""

ENDED = b"e"
STATUS = struct.Struct("i")

MAX_CONNECTIONS = 64
"""More wait, or their hooks run their programs themselves."""

_MAX_DESCRIPTORS = 200
"""The kernel passes at most 253 at once."""


@dataclass(frozen=True, slots=True)
class _Fork:
    """A running program, its pidfd, and the connection of the hook that waits for it."""

    pid: int
    pidfd: int
    connection: socket.socket


class ForkServer:
    """Listens while a program is supervised; its sockets and processes are callbacks of the supervisor's selector.

    ``environment`` is that of the run's program; a Python whose settings differ from it is refused. ``set_oom_score``
    makes forks the first victims of the kernel's OOM killer.
    """

    def __init__(self, environment: dict[str, str], set_oom_score: Callable[[bool], None]) -> None:
        self._environment = environment
        self._set_oom_score = set_oom_score
        self._connections: set[socket.socket] = set()
        self._forks: dict[int, _Fork] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._listener.bind(ADDRESS)
        self._listener.listen(MAX_CONNECTIONS)

    def start(self, selector: selectors.BaseSelector) -> None:
        """Serve with this selector, whose owner calls the data of a readable descriptor with its number."""
        self._selector = selector
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def stop(self) -> None:
        """Stop serving. Programs are killed with all others of the run."""
        for fork in list(self._forks.values()):
            self._forget(fork)
        for connection in list(self._connections):
            self._close(connection)
        if len(self._connections) < MAX_CONNECTIONS:
            self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self, _: int) -> None:
        try:
            connection, _address = self._listener.accept()
        except OSError:  # the hook has ended meanwhile
            return
        connection.setblocking(False)
        self._connections.add(connection)
        if len(self._connections) == MAX_CONNECTIONS:
            self._selector.unregister(self._listener)
        self._selector.register(connection, selectors.EVENT_READ, lambda _: self._begin(connection))

    def _begin(self, connection: socket.socket) -> None:
        """Fork the program of a new connection; close one that sends no request."""
        try:
            message, descriptors, _, _ = socket.recv_fds(connection, 1, _MAX_DESCRIPTORS)
        except OSError:
            message, descriptors = b"", []
        try:
            if not message or len(descriptors) < 2:
                self._close(connection)
                return
            self._set_oom_score(True)
            pid = os.fork()
            if pid == 0:
                forked_python.run(connection, descriptors, self._environment)
            self._set_oom_score(False)
            self._watch(_Fork(pid, _open_or_end(pid), connection))
        except OSError:  # no more processes or descriptors: the hook runs the program itself
            self._set_oom_score(False)
            self._close(connection)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _watch(self, fork: _Fork) -> None:
        self._forks[fork.pid] = fork
        self._selector.modify(fork.connection, selectors.EVENT_READ, lambda _: self._kill(fork))
        self._selector.register(fork.pidfd, selectors.EVENT_READ, lambda _: self._end(fork))

    def _kill(self, fork: _Fork) -> None:
        """Kill a program whose hook is gone."""
        self._close(fork.connection)
        signal.pidfd_send_signal(fork.pidfd, signal.SIGKILL)

    def _end(self, fork: _Fork) -> None:
        """Send the program's wait status to its hook."""
        _, status = os.waitpid(fork.pid, 0)
        if fork.connection in self._connections:
            with contextlib.suppress(OSError):  # the hook was killed just now
                fork.connection.send(ENDED + STATUS.pack(status))
        self._forget(fork)

    def _forget(self, fork: _Fork) -> None:
        self._close(fork.connection)
        self._selector.unregister(fork.pidfd)
        os.close(fork.pidfd)
        del self._forks[fork.pid]

    def _close(self, connection: socket.socket) -> None:
        if connection in self._connections:
            if len(self._connections) == MAX_CONNECTIONS:
                self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
            self._connections.remove(connection)
            self._selector.unregister(connection)
            connection.close()


def _open_or_end(pid: int) -> int:
    """Return a pidfd of a child; if none can be opened, kill the child, because nobody could wait for it."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
