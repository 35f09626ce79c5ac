"""Drives one real LibreChat client, under Node, against a running service."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
class Conversation:
    """All outcomes, the files the client remembers at the end, the requests it sent, and the tools it called."""

    turns: list[list[Outcome]]
    remembered: dict[str, Json]
    sent: list[Json]
    called: list[Json]

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
        )

    def server(self, op: str, **job: Any) -> Answer:
        """Let LibreChat's own server do `op`; see drivers/librechat.cjs for the verbs."""
        defaults = {"op": op, "generation": self.generation, "userId": "user-1"}
        result = self._drive("librechat", {**defaults, **job})
        error = result.get("error", {})
        return Answer(result.get("value"), error.get("status"), error.get("data"), result["sent"])

    def _drive(self, driver: str, job: Json) -> Json:
        return drive(driver, job, installed(self.version), self.base_url, self.api_key)


def drive(driver: str, job: Json, project: Path, base_url: str = "", api_key: str = "") -> Json:
    """Run a driver in the installed npm `project`. Raises DriverFailed."""
    environment = {
        "PATH": os.environ["PATH"],
        "CLIENT_DIR": str(project),
        "LIBRECHAT_CODE_BASEURL": base_url,
        "LIBRECHAT_CODE_API_KEY": api_key,
    }
    done = subprocess.run(
        [node(), str(DRIVERS / f"{driver}.cjs")],
        input=json.dumps(job),
        cwd=project,  # the clients read a .env where they run; there is none here
        env=environment,
        capture_output=True,
        text=True,
        timeout=DRIVER_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise DriverFailed(done.stderr[-4000:])
    result: Json = json.loads(done.stdout)
    if "failed" in result:
        raise DriverFailed(result["failed"])
    return result


def _call(name: str, args: Json) -> Json:
    return {"name": name, "args": args}


def _outcome(call: Json) -> Outcome:
    return Outcome(call["status"], call["text"], call["artifact"] or {})
