"""A process that forks runners, and a client that sends requests to runners."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from librechat_code_interpreter.runner.messages import Limits, Pause, Program, Reply, Request, Result, Results, Tool
from librechat_code_interpreter.runner.serve import HEADER, PAUSE, REPLY, STARTED, pack

ROOT = Path(__file__).parents[2]
ANSWER_SECONDS = 60.0


class RunnerDied(Exception):
    """The runner ended without an answer; the message is what it said last."""


class Host:
    """A process with the runner (and whatever was preloaded) in memory, which forks a runner for each request."""

    def __init__(self, python: Path, control: socket.socket, log: IO[bytes]) -> None:
        self.python = python
        self._control = control
        self._log = log

    def run(self, request: Request) -> Reply:
        """Run one program."""
        with self.conversation(request) as conversation:
            reply = conversation.hear()
        assert isinstance(reply, Reply)
        return reply

    @contextmanager
    def conversation(self, request: Request) -> Iterator[Conversation]:
        """Begin a run that may pause; it ends with the block."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
            ours.settimeout(ANSWER_SECONDS)
            ours.sendall(pack(json.dumps(request.to_json()).encode()))
            yield Conversation(self, ours)

    def read(self, wire: socket.socket, size: int) -> bytes:
        """Read this many bytes. Raises ``RunnerDied``."""
        data = b""
        while len(data) < size:
            chunk = wire.recv(size - len(data))
            if not chunk:
                raise RunnerDied(self._last_words())
            data += chunk
        return data

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-3000:]


@dataclass
class Conversation:
    """One run with its pauses."""

    host: Host
    wire: socket.socket
    number: int = 0

    def hear(self) -> Pause | Reply:
        """Wait for a pause or the end."""
        kind = self.host.read(self.wire, 1)
        if kind == STARTED:
            kind = self.host.read(self.wire, 1)
        body = json.loads(self.host.read(self.wire, HEADER.unpack(self.host.read(self.wire, HEADER.size))[0]))
        if kind == REPLY:
            return Reply.from_json(body)
        assert kind == PAUSE
        pause = Pause.from_json(body)
        self.number = pause.number
        return pause

    def tell(self, *results: Result, number: int | None = None) -> None:
        """Send results."""
        message = Results(self.number if number is None else number, list(results))
        self.wire.sendall(pack(json.dumps(message.to_json()).encode()))


@contextmanager
def running_host(python: Path, preload: tuple[str, ...] = (), env: dict[str, str] | None = None) -> Iterator[Host]:
    """Start a host on this interpreter, and end it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with tempfile.TemporaryFile() as log, ours:
        command = [str(python), "-P", "-m", "tests.runner.forking", str(theirs.fileno()), *preload]
        environment = {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "PATH": os.defpath} | (env or {})
        process = subprocess.Popen(command, cwd="/", env=environment, pass_fds=[theirs.fileno()], stderr=log)
        theirs.close()
        try:
            yield Host(python, ours, log)
        finally:
            ours.close()
            process.wait(ANSWER_SECONDS)


@dataclass(frozen=True)
class Bench:
    """A workspace and a scratch directory, with runners in them. Keywords are limits (``Limits``)."""

    host: Host
    workspace: Path
    scratch: Path
    env: dict[str, str]

    def python(self, source: str, *args: str, **limits: Any) -> Reply:
        """Run Python in the warm interpreter."""
        return self.program(Program(source, "main.py", "warm", args=list(args)), **limits)

    def bash(self, source: str, *args: str, **limits: Any) -> Reply:
        """Run a shell program from the scratch directory."""
        return self.program(bash_program(source, *args), **limits)

    def program(self, program: Program, remove: tuple[str, ...] = (), **limits: Any) -> Reply:
        """Run any program."""
        return self.host.run(self.request(program, remove, **limits))

    def request(
        self, program: Program, remove: tuple[str, ...] = (), tools: list[Tool] | None = None, **limits: Any
    ) -> Request:
        """Run a request in this workspace."""
        return Request(
            program, Limits(**limits), self.env, list(remove),
            workspace=str(self.workspace), scratch=str(self.scratch), nonce="n", tools=tools,
        )  # fmt: skip


def bash_program(source: str, *args: str) -> Program:
    """Make a shell program that lies in the scratch directory."""
    return Program(source, "main.sh", "scratch", run=["bash", "{source}"], args=list(args), language="bash")
