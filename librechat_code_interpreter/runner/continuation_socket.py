"""Continuation socket: access to a paused run where no pipe stays open between two requests, as on Daytona.

The runner of such a run is a process of its own. A client connects to a socket in the runner's directory, sends results
and waits for the answer. The runner keeps an answer that did not arrive, and sends it again on a retry. The program can
connect to the socket too, but lacks the run's secret.
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

from librechat_code_interpreter.runner.messages import Pause, Results
from librechat_code_interpreter.runner.serve import pack, read_message

_SOCKET_SECONDS: Final = 10.0
_NOTHING: Final = Results(0, [])

Answer = dict[str, Any]


class ContinuationSocket:
    """Socket that receives results from clients and sends each client the answer that follows."""

    def __init__(self, path: Path, secret: str, client: socket.socket) -> None:
        """Open the socket; ``client`` is the connection of the client that started the run. Raises ``OSError``."""
        self._secret = secret
        self._client: socket.socket | None = client
        self._answered = 0
        self._last_answer: Answer | None = None
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(8)

    def fileno(self) -> int:
        """Return the descriptor that is readable when a client connects."""
        return self._listener.fileno()

    def pause(self, pause: Pause) -> None:
        """Report a pause to the waiting client."""
        self.say({"pause": pause.to_json()})

    def say(self, answer: Answer) -> None:
        """Send an answer to the waiting client, if any, and keep it for a retry."""
        self._last_answer = answer
        if self._client is not None:
            _send(self._client, answer)
            self._client = None

    def results(self) -> Results:
        """Accept one client; return its results, or ``_NOTHING`` if they are not for the current pause."""
        client, _ = self._listener.accept()
        client.settimeout(_SOCKET_SECONDS)
        message = _read(client)
        if message is None or message.get("secret") != self._secret:
            client.close()
            return _NOTHING
        return self._received(client, message)

    def _received(self, client: socket.socket, message: Answer) -> Results:
        results = Results.from_json(message["results"])
        last, self._last_answer = self._last_answer, None
        if results.number == self._answered + 1 and last is not None and "pause" in last:
            self._answered, self._client = results.number, client
            return results
        self._last_answer = last
        if results.number == self._answered and message.get("again"):  # the answer was lost in transit
            if last is None:
                self._client = client
            else:
                _send(client, last)
        elif last is not None and "pause" not in last and results.number == self._answered + 1:
            self._answered = results.number  # the run ended during the pause
            _send(client, last)
        else:
            _send(client, {"error": "these results are not waited for"})
        return _NOTHING

    def leave(self, answer: Answer, seconds: float) -> None:
        """Send the last answer to the waiting client, or to those that connect in ``seconds``; remove the socket."""
        if self._client is not None:
            seconds = _SOCKET_SECONDS  # the client may retry if the answer did not arrive
        self.say(answer)
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            deadline = time.monotonic() + seconds
            while (left := deadline - time.monotonic()) > 0 and selector.select(left):
                answered = self._answered
                self.results()
                if self._answered != answered:
                    deadline = time.monotonic() + _SOCKET_SECONDS
        self._path.unlink(missing_ok=True)


def _send(client: socket.socket, answer: Answer) -> None:
    with client, suppress(OSError):
        client.sendall(pack(json.dumps(answer).encode("ascii")))


def _read(client: socket.socket) -> Answer | None:
    try:
        body = read_message(client)
        message = None if body is None else json.loads(body)
    except (OSError, ValueError):
        return None
    return message if isinstance(message, dict) else None


def detached(path: Path, secret: str, work: Callable[[ContinuationSocket], None]) -> Answer:
    """Run ``work`` in a process of its own; return its first answer. Raises ``EOFError`` if it ends before that."""
    ours, theirs = socket.socketpair()
    with ours:
        if os.fork() == 0:
            ours.close()
            _run_detached(path, secret, theirs, work)
        theirs.close()
        return _receive_answer(ours)


def _run_detached(
    path: Path, secret: str, client: socket.socket, work: Callable[[ContinuationSocket], None]
) -> NoReturn:
    try:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        work(ContinuationSocket(path, secret, client))
    finally:
        os._exit(0)


def visit(path: Path, secret: str, results: dict[str, Any], *, again: bool) -> Answer:
    """Send results and wait for the answer. Raises ``OSError`` if nothing listens, ``EOFError`` if the runner ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        connection.sendall(pack(json.dumps({"secret": secret, "results": results, "again": again}).encode("ascii")))
        return _receive_answer(connection)


def _receive_answer(connection: socket.socket) -> Answer:
    body = read_message(connection)
    if body is None:
        raise EOFError("the runner ended without an answer")
    answer: Answer = json.loads(body)
    return answer
