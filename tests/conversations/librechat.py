"""LibreChat's server for one release, as a Node process, and conversations in it."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.npm import installed, node
from tests.conversations.programs import Program
from tests.service import LiveService

DRIVER = Path(__file__).parent / "drivers" / "server.cjs"
REPLY_WITHIN_SECONDS = 240
STOPPED_WITHIN_SECONDS = 30
VERSIONS = {"old": "3.1.63", "new": "3.9.2"}

Json = dict[str, Any]


class LibreChatFailed(Exception):
    """The driver failed, or LibreChat refuses the turn; the message is JavaScript's, with a stack."""


@dataclass(frozen=True)
class Result:
    """The result of one tool call: the text that the model receives, and the one that the user sees."""

    status: str
    text: str
    user_text: str | None

    @property
    def stdout(self) -> str:
        """The program's stdout, without trailing whitespace, which clients trim."""
        printed = self.text.removeprefix("stdout:\n").partition("\nstderr:\n")[0]
        return printed.partition("\n\nGenerated files")[0].rstrip()

    @property
    def stderr(self) -> list[str]:
        """The lines of the program's stderr."""
        return self.text.partition("\nstderr:\n")[2].partition("\n\n")[0].splitlines()


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation."""

    results: list[Result]
    outputs: dict[str, bytes]
    """What LibreChat downloaded, by the name that the program gave."""

    primed: list[str]
    """Names of the files that LibreChat referred to, in its order."""

    failed: list[str]
    """Names of the files that it found dead and could not upload again."""

    sent: list[Json]
    """Its requests to the Code API: method, path, and json if the body is."""

    @property
    def text(self) -> str:
        """The last call's result, as the model receives it."""
        return self.results[-1].text

    @property
    def stdout(self) -> str:
        """The last program's stdout."""
        return self.results[-1].stdout

    @property
    def uploads(self) -> int:
        """Number of files that LibreChat found dead and tried to upload again."""
        return sum(request["path"].endswith("/upload") for request in self.sent)


class LibreChat:
    """One Node process; it keeps its files and its log in `directory`."""

    def __init__(self, generation: str, service: LiveService, directory: Path) -> None:
        self.generation = generation
        self.directory = directory
        project = installed(VERSIONS[generation])
        with (directory / f"{generation}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [node(), str(DRIVER)],
                cwd=project,  # the clients read a .env where they run; there is none here
                env=_environment(generation, project, service) | {"LIBRECHAT_FILES": str(directory)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._pending: dict[int, Future[Json]] = {}
        self._ids = itertools.count()
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def call(self, op: str, **options: Any) -> Json:
        """Perform an operation of drivers/server.cjs; calls of several threads overlap. Raises LibreChatFailed."""
        reply: Future[Json] = Future()
        with self._lock:
            number = next(self._ids)
            self._pending[number] = reply
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"id": number, "op": op, **options}) + "\n")
            self._process.stdin.flush()
        result = reply.result(REPLY_WITHIN_SECONDS)
        if "failed" in result:
            raise LibreChatFailed(result["failed"])
        return result

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            reply = json.loads(line)
            self._pending.pop(reply["id"]).set_result(reply)
        for pending in self._pending.values():
            pending.set_exception(LibreChatFailed("the process ended"))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(STOPPED_WITHIN_SECONDS)
        self._reader.join()


class Chat:
    """A conversation in one LibreChat."""

    def __init__(self, librechat: LibreChat, name: str) -> None:
        self.generation = librechat.generation
        self._librechat = librechat
        self._name = name
        self._recorded: dict[str, str] = {}

    def attach(self, filename: str, content: bytes) -> None:
        """Attach a file to the next message."""
        path = self._librechat.directory / f"attached-{secrets.token_hex(8)}"
        path.write_bytes(content)
        reply = self._librechat.call("attach", conversation=self._name, path=str(path), filename=filename)
        self._recorded[filename] = reply["value"]["name"]

    def recorded_name(self, filename: str) -> str:
        """Return the name under which LibreChat keeps an attachment and programs find it."""
        return self._recorded[filename]

    def play_turn(self, *messages: Program | Sequence[Program], **options: Any) -> Turn:
        """Let the model send these messages, each with one program or several to run at once."""
        script = [[program.call(self.generation) for program in _programs(message)] for message in messages]
        reply = self._librechat.call("play_turn", conversation=self._name, script=script, **options)
        value, primed = reply["value"], reply["value"]["primed"]
        return Turn(
            results=[Result(**result) for result in value["results"]],
            outputs={output["name"]: Path(output["path"]).read_bytes() for output in value["outputs"]},
            primed=[file["name"] for file in primed["files"]],
            failed=primed["failed"],
            sent=reply["sent"],
        )


def _programs(message: Program | Sequence[Program]) -> Sequence[Program]:
    return [message] if isinstance(message, Program) else message


def _environment(generation: str, project: Path, service: LiveService) -> dict[str, str]:
    """Old releases have a key to send, new ones only the address (K6)."""
    is_old = generation == "old"
    return {
        "PATH": os.environ["PATH"],
        "CLIENT_DIR": str(project),
        "LIBRECHAT_GENERATION": generation,
        "LIBRECHAT_CODE_BASEURL": service.url if is_old else service.url_with_key,
        "LIBRECHAT_CODE_API_KEY": service.api_key if is_old else "",
        "NODE_COMPILE_CACHE": str(project / "compile-cache"),  # a start takes 2 s of processor time instead of 4
    }


@contextmanager
def running_librechat(generation: str, service: LiveService, directory: Path) -> Iterator[LibreChat]:
    """Start a LibreChat, and end it."""
    librechat = LibreChat(generation, service, directory)
    try:
        yield librechat
    finally:
        librechat.close()
