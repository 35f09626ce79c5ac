"""Drives one real LibreChat client, under Node, against a running service."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.clients.npm import installed, node

DRIVERS = Path(__file__).parent / "drivers"
DRIVER_TIMEOUT_SECONDS = 120

Json = dict[str, Any]
Call = tuple[str, Json]


def execute(lang: str, code: str, **more: object) -> Call:
    """Make a call of execute_code, as a model would."""
    return "execute_code", {"lang": lang, "code": code, **more}


class DriverFailed(Exception):
    """The driver itself broke, which says nothing about the service."""


@dataclass(frozen=True)
class Outcome:
    """What the model and LibreChat get from one tool call."""

    status: str
    text: str
    artifact: Json

    @property
    def files(self) -> dict[str, Json]:
        """The files of the artifact by name."""
        return {file["name"]: file for file in self.artifact.get("files", [])}


@dataclass(frozen=True)
class CodeTool:
    """A tool that the client offers to the model: the names of its parameters, and the languages of `lang`."""

    parameters: list[str]
    languages: list[str]


@dataclass(frozen=True)
class Conversation:
    """All outcomes, the files that the client remembers at the end, its requests, the tools called and offered."""

    turns: list[list[Outcome]]
    remembered: dict[str, Json]
    sent: list[Json]
    called: list[Json]
    offered: dict[str, CodeTool]

    @property
    def last(self) -> Outcome:
        """The outcome of the last call."""
        return self.turns[-1][-1]


@dataclass(frozen=True)
class Answer:
    """What LibreChat's server got: a value, or the status and body of an error."""

    value: Any
    status: int | None
    error: Any
    sent: list[Json]

    @property
    def content(self) -> bytes:
        """The bytes of a download."""
        return base64.b64decode(self.value["base64"])


@dataclass(frozen=True)
class Client:
    """A released client with its LibreChat, as an operator has set them up."""

    version: str
    generation: str
    base_url: str
    api_key: str
    processes: DriverProcesses | None = field(default=None, compare=False)
    """Processes to run the drivers in; by default each call starts its own."""

    def converse(self, *turns: Sequence[Call], **job: Any) -> Conversation:
        """Play `turns`, each of some tool calls in parallel; see drivers/conversation.cjs for `job`."""
        played = [[_call(*call) for call in turn] for turn in turns]
        result = self._drive("conversation", {"turns": played, **job})
        session = result["sessions"].get("execute_code", {})
        return Conversation(
            turns=[[_outcome(call) for call in turn] for turn in result["turns"]],
            remembered={file["name"]: file for file in session.get("files", [])},
            sent=result["sent"],
            called=result["called"],
            offered={name: CodeTool(**tool) for name, tool in result["offered"].items()},
        )

    def server(self, op: str, **job: Any) -> Answer:
        """Let LibreChat's own server do `op`; see drivers/librechat.cjs for the verbs."""
        defaults = {"op": op, "generation": self.generation, "userId": "user-1"}
        result = self._drive("librechat", {**defaults, **job})
        error = result.get("error", {})
        return Answer(result.get("value"), error.get("status"), error.get("data"), result["sent"])

    def _drive(self, driver: str, job: Json) -> Json:
        if self.processes is not None:
            return self.processes.run(driver, job)
        return drive(driver, job, installed(self.version), self.base_url, self.api_key)


def drive(driver: str, job: Json, project: Path, base_url: str = "", api_key: str = "") -> Json:
    """Run a driver in the installed npm `project`. Raises DriverFailed."""
    with DriverProcesses(project, base_url, api_key) as processes:
        return processes.run(driver, job)


class DriverProcesses:
    """At most one Node process per driver, which runs one job after the other, as LibreChat's server does.

    Loading a client takes Node up to a second. Not for several threads.
    """

    def __init__(self, project: Path, base_url: str = "", api_key: str = "") -> None:
        self._project = project
        self._environment = {
            "PATH": os.environ["PATH"],
            "CLIENT_DIR": str(project),
            "LIBRECHAT_CODE_BASEURL": base_url,
            "LIBRECHAT_CODE_API_KEY": api_key,
        }
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._resources = ExitStack()
        self._log = os.memfd_create("stderr of the drivers")
        self._resources.callback(os.close, self._log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, driver: str, job: Json) -> Json:
        """Run a job. Raises DriverFailed, also after DRIVER_TIMEOUT_SECONDS."""
        process = self._processes.get(driver) or self._start(driver)
        assert process.stdin is not None and process.stdout is not None
        timer = threading.Timer(DRIVER_TIMEOUT_SECONDS, process.kill)
        timer.start()
        try:
            process.stdin.write(f"{json.dumps(job)}\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise DriverFailed(self._last_words())
        result: Json = json.loads(line)
        if "failed" in result:
            raise DriverFailed(result["failed"])
        return result

    def close(self) -> None:
        """End the processes: a driver exits when its stdin ends."""
        self._resources.close()

    def _start(self, driver: str) -> subprocess.Popen[str]:
        self._processes[driver] = subprocess.Popen(
            [node(), str(DRIVERS / f"{driver}.cjs")],
            cwd=self._project,  # the clients read a .env where they run; there is none here
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self._resources.callback(self._processes[driver].communicate)
        return self._processes[driver]

    def _last_words(self) -> str:
        size = os.fstat(self._log).st_size
        # pread, because the processes share this file's position
        return os.pread(self._log, 4000, max(0, size - 4000)).decode(errors="replace")


def _call(name: str, args: Json) -> Json:
    return {"name": name, "args": args}


def _outcome(call: Json) -> Outcome:
    return Outcome(call["status"], call["text"], call["artifact"] or {})
