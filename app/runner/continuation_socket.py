"""Keep a run that waits for tools reachable, where no pipe leads to it between two requests, as on Daytona.

The runner of such a run is a process of its own. Whoever brings results comes over a socket in the runner's directory,
stays for the answer and leaves. An answer that did not arrive is kept, and given again to who asks for it again. The
program can reach the socket too, but does not know the run's secret.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from app.runner.messages import Pause, Results
from app.runner.serve import pack, read_message

_SOCKET_SECONDS: Final = 10.0
_NOTHING: Final = Results(0, [])

Answer = dict[str, Any]


class ContinuationSocket:
    """Take results from visitors, and give each the answer that follows."""

    def __init__(self, place: Path, secret: str, visitor: socket.socket) -> None:
        """Open the socket; ``visitor`` is who began the run. Raises ``OSError``."""
        self._secret = secret
        self._visitor: socket.socket | None = visitor
        self._answered = 0
        self._kept: Answer | None = None
        self._place = place
        self._door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._door.bind(str(place))
        self._door.listen(8)

    def fileno(self) -> int:
        """Give the descriptor at which visitors come."""
        return self._door.fileno()

    def pause(self, pause: Pause) -> None:
        """Tell of a pause."""
        self.say({"pause": pause.to_json()})

    def say(self, answer: Answer) -> None:
        """Give an answer to who waits for it, and keep it."""
        self._kept = answer
        if self._visitor is not None:
            _tell(self._visitor, answer)
            self._visitor = None

    def results(self) -> Results:
        """Let a visitor in; what is no result for the pause that lasts is ``_NOTHING``."""
        visitor, _ = self._door.accept()
        visitor.settimeout(_SOCKET_SECONDS)
        message = _read(visitor)
        if message is None or message.get("secret") != self._secret:
            visitor.close()
            return _NOTHING
        return self._received(visitor, message)

    def _received(self, visitor: socket.socket, message: Answer) -> Results:
        results = Results.from_json(message["results"])
        kept, self._kept = self._kept, None
        if results.number == self._answered + 1 and kept is not None and "pause" in kept:
            self._answered, self._visitor = results.number, visitor
            return results
        self._kept = kept
        if results.number == self._answered and message.get("again"):  # the answer got lost on the way
            if kept is None:
                self._visitor = visitor
            else:
                _tell(visitor, kept)
        elif kept is not None and "pause" not in kept and results.number == self._answered + 1:
            self._answered = results.number  # it ended while it waited
            _tell(visitor, kept)
        else:
            _tell(visitor, {"error": "these results are not waited for"})
        return _NOTHING

    def leave(self, answer: Answer, seconds: float) -> None:
        """Give the last answer, now or to the visitors that come within so many seconds, and close."""
        if self._visitor is not None:
            seconds = _SOCKET_SECONDS  # it was told; it may ask again when that did not arrive
        self.say(answer)
        with selectors.DefaultSelector() as selector:
            selector.register(self._door, selectors.EVENT_READ)
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0 and selector.select(left):
                answered = self._answered
                self.results()
                if self._answered != answered:
                    deadline = time.monotonic() + _SOCKET_SECONDS
        self._place.unlink(missing_ok=True)


def _tell(visitor: socket.socket, answer: Answer) -> None:
    with visitor, suppress(OSError):
        visitor.sendall(pack(json.dumps(answer).encode("ascii")))


def _read(visitor: socket.socket) -> Answer | None:
    try:
        body = read_message(visitor)
        message = None if body is None else json.loads(body)
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


def detached(place: Path, secret: str, work: Callable[[ContinuationSocket], None]) -> Answer:
    """Do the work in a process of its own, and give its first answer. Raises ``EOFError`` when it dies before."""
    ours, theirs = socket.socketpair()
    with ours:
        if os.fork() == 0:
            ours.close()
            _live_apart(place, secret, theirs, work)
        theirs.close()
        return _heard(ours)


def _live_apart(
    place: Path, secret: str, visitor: socket.socket, work: Callable[[ContinuationSocket], None]
) -> NoReturn:
    try:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        work(ContinuationSocket(place, secret, visitor))
    finally:
        os._exit(0)


def visit(place: Path, secret: str, results: dict[str, Any], *, again: bool) -> Answer:
    """Bring results and wait for the answer. Raises ``OSError`` when nobody is there, ``EOFError`` when it dies."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as way:
        way.connect(str(place))
        way.sendall(pack(json.dumps({"secret": secret, "results": results, "again": again}).encode("ascii")))
        return _heard(way)


def _heard(way: socket.socket) -> Answer:
    body = read_message(way)
    if body is None:
        raise EOFError("the runner ended without an answer")
    answer: Answer = json.loads(body)
    return answer
