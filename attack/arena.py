"""The environment of an attack: the service, the neighbour, the host's decoys, and the words that programs look for."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from attack.neighbour import Neighbour
from attack.own_service import OwnService
from attack.target import Target
from librechat_code_interpreter.settings import Settings


@dataclass(slots=True)
class Arena:
    """The environment of one series of attacks."""

    target: Target
    neighbour: Neighbour
    secrets: list[str]
    """What must never be seen in any output."""

    mark: str
    """A word that no path of the host may come to hold."""

    own: OwnService | None
    """The service, when it is ours to look at."""

    decoys: Decoys
    is_quick: bool = True
    words: dict[str, str] = field(default_factory=dict)
    tracebacks: int = 0
    """How many the service had logged when last looked."""

    def fill(self, code: str) -> str:
        """Put what is known of this service into a program."""
        for name, value in self.words.items():
            code = code.replace(f"@{name}@", value)
        return code


class Decoys:
    """A TCP port of the host that a program must never reach."""

    def __init__(self, mark: str) -> None:
        self.abstract = f"attack-{mark}"
        self._servers = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
        self._servers[1].bind("\0" + self.abstract)
        self._servers[1].listen()
        self._callers = 0
        for server in self._servers:
            threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    @property
    def port(self) -> int:
        """Name the TCP port."""
        return int(self._servers[0].getsockname()[1])

    def _accept(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()
                self._callers += 1

    def complaint(self) -> str | None:
        """Whether somebody has connected since the last check."""
        callers, self._callers = self._callers, 0
        return f"{callers} connections came through to the host" if callers else None

    def close(self) -> None:
        """Stop listening."""
        for server in self._servers:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()


@contextlib.contextmanager
def prepared(settings: Settings, target: Target | None = None, *, quick: bool = True) -> Iterator[Arena]:
    """Set up everything, against a service of our own unless another is named, and remove it afterwards.

    Raises ``ServiceFailed`` and ``OSError``.
    """
    mark = secrets.token_hex(8)
    own = None if target else OwnService(settings, mark, quick=quick)
    decoys = Decoys(mark)
    try:
        if own is not None:
            own.wait_until_ready()
            target = own.target
        assert target is not None  # noqa: S101  one of the two is there
        secret = own.secrets["neighbour"] if own else f"CANARY-neighbour-{secrets.token_hex(12)}"
        neighbour = Neighbour(target, secret)
        arena = Arena(target, neighbour, [secret, target.key], mark, own, decoys, quick)
        if own is not None:
            arena.secrets = list(own.secrets.values())
        _settle_in(arena)
        try:
            yield arena
        finally:
            neighbour.move_out()
    finally:
        decoys.close()
        if own is not None:
            own.close()


def _settle_in(arena: Arena) -> None:
    """Warm the service up to its full resource use, so that any growth means a leak."""
    for _ in range(10 if arena.own else 1):
        arena.target.exec("py", "print(1)")
    arena.target.exec("py", "import numpy")
    arena.neighbour.move_in()
    own = arena.own
    if own is not None:
        own.remember()
    arena.words = {
        "MARK": arena.mark,
        "PORT": str(arena.target.port),
        "LISTEN": str(arena.decoys.port),
        "ABSTRACT": arena.decoys.abstract,
        "SESSION": arena.neighbour.session_id,
        "FILE": arena.neighbour.file_id,
        "PIDS": json.dumps(own.pids() if own else [1, 2, 100, 1000]),
        "STORE": str(own.directory if own else "/var/lib"),
        "ARTIFACT": str((4 if arena.is_quick and own else 100) << 20),
        "FILLER": "x" * ((2 if arena.is_quick else 20) << 20),
        "WORKSPACE": str((24 if arena.is_quick and own else 512) << 20),
        "SWELL": str(64 if arena.is_quick and own else 1024),
        "ROUNDS": "3" if arena.is_quick else "40",
    }
