"""Write down what an engine asks of the runner and what the runner answers. Plain data, JSON on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self

from app.runner.endings import Ending

MEMORY = "SANDBOX_MEMORY_BYTES"
"""The variable that tells programs, and the command lines of languages, how much memory a run has."""

Place = Literal["warm", "workspace", "scratch"]


class Message:
    """Turn a dataclass into JSON-ready data and back; unknown keys are ignored, so versions may differ."""

    def to_json(self) -> dict[str, Any]:
        """Give the message as plain data."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}  # type: ignore[attr-defined]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a message from plain data."""
        known = cls.__dataclass_fields__  # type: ignore[attr-defined]
        return cls(**{key: value for key, value in data.items() if key in known})


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_json()
    return [_plain(item) for item in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Limits(Message):
    """Bound one run: times in seconds, sizes in bytes."""

    wall_seconds: float = 60.0
    cpu_seconds: int = 120
    stdout_bytes: int = 11 * 1024 * 1024
    stderr_bytes: int = 10 * 1024 * 1024
    artifact_bytes: int = 100 * 1024 * 1024
    artifact_files: int = 50
    inline_file_bytes: int = 64 * 1024
    inline_total_bytes: int = 1024 * 1024
    memory_bytes: int | None = None
    """Watched by the runner where no cgroup does it; ``None`` leaves it to the cgroup."""

    tool_calls: int = 200
    tool_input_bytes: int = 5 * 1024 * 1024
    tool_inputs_bytes: int = 40 * 1024 * 1024
    """The arguments of one call, and of all calls of a run together."""

    pause_seconds: float = 600.0
    """How long a program may wait for the results of its tool calls; ``wall_seconds`` counts between two waits."""


@dataclass(slots=True)
class Program(Message):
    """Say what to run.

    ``place`` is where the source text goes: ``warm`` runs Python in this very interpreter, without a file;
    ``workspace`` writes it beside the user's files for the time of the run (JavaScript resolves imports from there);
    ``scratch`` is the private temporary directory. ``{source}``, ``{workspace}`` and ``{scratch}`` in the command lines
    stand for the paths; a part with ``{memory}`` (bytes) is left out where nobody tells how much there is.
    """

    source: str
    filename: str
    place: Place
    compile: list[str] = field(default_factory=list)
    run: list[str] = field(default_factory=list)
    args: list[str] = field(default_factory=list)
    language: str = "py"


@dataclass(slots=True)
class Tool(Message):
    """Offer a tool to the program: ``name`` is the caller's, ``function`` what it is called in the program."""

    name: str
    function: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    """A JSON schema of the arguments, if there is one."""


@dataclass(slots=True)
class Request(Message):
    """Ask for one run; with ``tools``, even an empty list, it may pause."""

    program: Program
    limits: Limits = field(default_factory=Limits)
    env: dict[str, str] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    """Files to remove from the workspace first: they were deleted from the session."""

    workspace: str = "/mnt/data"
    scratch: str = "/tmp"
    nonce: str = ""
    tools: list[Tool] | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a request with its nested messages."""
        nested: dict[str, Any] = {
            "program": Program.from_json(data["program"]),
            "limits": Limits.from_json(data.get("limits", {})),
        }
        if data.get("tools") is not None:
            nested["tools"] = [Tool.from_json(item) for item in data["tools"]]
        return super(Request, cls).from_json({**data, **nested})


@dataclass(slots=True)
class Call(Message):
    """Ask for one tool call on the program's behalf."""

    id: str
    name: str
    input: dict[str, Any]


@dataclass(slots=True)
class Pause(Message):
    """Tell that the program waits for tools, and what it has printed so far."""

    number: int
    """Counts the pauses of a run from 1; the answer bears the same number."""

    calls: list[Call]
    stdout: str = ""
    stderr: str = ""
    key: str = ""
    """The engine's own word for the run; the results bring it back."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a pause with its calls."""
        return super(Pause, cls).from_json({**data, "calls": [Call.from_json(item) for item in data["calls"]]})


@dataclass(slots=True)
class Result(Message):
    """Answer one tool call."""

    call_id: str
    result: Any = None
    is_error: bool = False
    error_message: str = ""


@dataclass(slots=True)
class Results(Message):
    """Answer a pause; the program goes on."""

    number: int
    results: list[Result]
    key: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read the results."""
        return super(Results, cls).from_json({**data, "results": [Result.from_json(item) for item in data["results"]]})


@dataclass(slots=True)
class ChangedFile(Message):
    """Name a file that the run created or changed; ``content`` (base64) is there when it is small."""

    path: str
    size: int
    content: str | None = None


@dataclass(slots=True)
class LeftOut(Message):
    """Name a file that is not delivered, and why (K21)."""

    path: str
    reason: str
    is_limit: bool = False
    """Whether a limit is the reason: then it counts as a failed delivery and is told on stderr."""


@dataclass(slots=True)
class Reply(Message):
    """Tell how the run ended and what it left."""

    ending: Ending
    code: int | None = None
    signal: str | None = None
    overflowed: str | None = None
    """The stream that went over its cap, if one did."""

    stdout: str = ""
    stderr: str = ""
    stdout_is_utf8: bool = True
    """Whether ``stdout`` is exactly what the program wrote; if not, U+FFFD stands for what is not UTF-8."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    changed: list[ChangedFile] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    nonce: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a reply with its nested messages."""
        nested = {
            "ending": Ending(data["ending"]),
            "changed": [ChangedFile.from_json(item) for item in data.get("changed", [])],
            "left_out": [LeftOut.from_json(item) for item in data.get("left_out", [])],
        }
        return super(Reply, cls).from_json({**data, **nested})
