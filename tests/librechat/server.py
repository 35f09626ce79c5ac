"""LibreChat's server of one release as a process of its own, asked by lines of JSON."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Timer
from typing import Any

from tests.clients.npm import node
from tests.librechat.packages import Project
from tests.librechat.releases import CACHE, Release

DRIVER = Path(__file__).parent / "drivers" / "server.cjs"
VERB_TIMEOUT_SECONDS = 180
STOPPED_WITHIN_SECONDS = 10
LOGGED_LINES_SHOWN = 5

Json = dict[str, Any]
Call = Json


class ServerFailed(Exception):
    """LibreChat's server raised, or its process ended; the message has its log."""


@dataclass(frozen=True)
class Credential:
    """How a LibreChat proves itself to the service: its environment, and the word for it in the table."""

    name: str
    environment: dict[str, str]

    @property
    def is_token(self) -> bool:
        """Whether every request carries a JWT of its user."""
        return "CODEAPI_JWT_ENABLED" in self.environment


@dataclass(frozen=True)
class Attachment:
    """A file of a reply: LibreChat's record, and its bytes as a browser gets them."""

    name: str
    content: bytes
    kept: bool
    headers: dict[str, str]
    record: Json


@dataclass(frozen=True)
class Reply:
    """A turn's end: what each tool call returned to the model and how many pictures it saw, the files, our requests."""

    tools: list[str]
    results: list[str]
    images: int
    attachments: list[Json]
    sent: list[str]

    @property
    def text(self) -> str:
        """All results, one after the other."""
        return "\n".join(self.results)


@dataclass
class Server:
    """A running server of LibreChat."""

    process: subprocess.Popen[str]
    release: Release
    project: Project
    credential: Credential
    logged: list[str] = field(default_factory=list)
    """What LibreChat logged as an error or a warning since a scenario began."""

    def check(self) -> None:
        """Raise ServerFailed if its model is not asked anything, or is offered no tool."""
        if not self.tools:
            raise ServerFailed("\n".join(["its model is offered no tools", *self.logged[:LOGGED_LINES_SHOWN]]))

    def has(self, path: str, text: str = "") -> bool:
        """Whether the release has a file that contains `text`."""
        file = self.release.directory / path
        return file.is_file() and text in file.read_text()

    @cached_property
    def tools(self) -> list[str]:
        """The tools that its models are offered."""
        return Chat(self).say().tools

    def ask(self, verb: str, **job: object) -> Any:
        """Let the server do `verb`; see drivers/server.cjs. Raises ServerFailed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        watchdog = Timer(VERB_TIMEOUT_SECONDS, self.process.kill)
        watchdog.start()
        try:
            self.process.stdin.write(json.dumps({"verb": verb, **job}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            watchdog.cancel()
        if not line:
            raise ServerFailed(f"LibreChat's process ended during {verb}")
        answer: Json = json.loads(line)
        self.logged += answer["logged"]
        if "error" in answer:
            raise ServerFailed("\n".join([answer["error"], *answer["logged"][:LOGGED_LINES_SHOWN]]))
        return answer["value"]


@dataclass
class Chat:
    """A user's conversation with an agent that has the code tools."""

    server: Server
    user: str = field(default_factory=lambda: uuid.uuid4().hex[:24])
    conversation: str = field(default_factory=lambda: str(uuid.uuid4()))
    is_stateful: bool = False

    def another(self) -> Chat:
        """Start another conversation of the same user."""
        return Chat(self.server, self.user, is_stateful=self.is_stateful)

    def upload(self, name: str, content: str | bytes, *, of_agent: bool = False) -> Json:
        """Attach a file; returns its id, and the file name that LibreChat tells the model."""
        data = content.encode() if isinstance(content, str) else content
        encoded = base64.b64encode(data).decode()
        upload: Json = self._ask("upload", name=name, base64=encoded, ofAgent=of_agent)
        return upload

    def say(self, *steps: Call | Sequence[Call], files: Sequence[Json] = ()) -> Reply:
        """Send a message; in each step the model makes one tool call, or some at once."""
        rounds = [[step] if isinstance(step, dict) else list(step) for step in steps]
        ids = [file["id"] for file in files]
        message = {"conversation": self.conversation, "text": "Go on.", "files": ids, "isStateful": self.is_stateful}
        return Reply(**self._ask("turn", steps=rounds, **message))

    def fetch(self, attachment: Json) -> Attachment:
        """Get an attachment's bytes."""
        got = self._ask("fetch", attachment=attachment)
        content = base64.b64decode(got["base64"])
        return Attachment(attachment["filename"], content, got["kept"], got["headers"], attachment)

    def ask(self, verb: str, **job: object) -> Any:
        """Let the server do `verb` for this user."""
        return self._ask(verb, **job)

    def _ask(self, verb: str, **job: object) -> Any:
        return self.server.ask(verb, user=self.user, **job)


@contextmanager
def running(release: Release, project: Project, credential: Credential) -> Iterator[Server]:
    """Run LibreChat's server; its own files vanish afterwards."""
    link = release.directory / "node_modules"
    link.unlink(missing_ok=True)
    link.symlink_to(project.directory / "node_modules")
    environment = {
        "PATH": os.environ["PATH"],
        "RELEASE_DIR": str(release.directory),
        "PROJECT_DIR": str(project.directory),
        "NODE_COMPILE_CACHE": str(CACHE / "compiled"),
        **credential.environment,
    }
    with tempfile.TemporaryDirectory(prefix="librechat-") as workdir, (Path(workdir) / "log").open("wb") as log:
        process = subprocess.Popen(
            [node(), str(DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=workdir,
            env={**environment, "TMPDIR": workdir, "HOME": workdir},
        )
        try:
            yield Server(process, release, project, credential)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
