"""Messages between an engine and the runner: plain data, sent as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Self

from librechat_code_interpreter.runner.endings import Ending

MEMORY = "SANDBOX_MEMORY_BYTES"
"""Environment variable with the memory of a run in bytes, for programs and the command lines of languages."""

Place = Literal["warm", "workspace", "scratch"]


class Message:
    """Base of dataclasses that convert to and from JSON data; unknown keys are ignored, so versions may differ."""

    def to_json(self) -> dict[str, Any]:
        """Return the message as plain data."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}  # type: ignore[attr-defined]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Parse a message from plain data."""
        known = cls.__dataclass_fields__  # type: ignore[attr-defined]
        return cls(**{key: value for key, value in data.items() if key in known})


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_json()
    return [_plain(item) for item in value] if isinstance(value, list) else value


@dataclass(slots=True)
class Limits(Message):
    """Limits of one run: times in seconds, sizes in bytes."""

    wall_seconds: float = 60.0
    cpu_seconds: int = 120
    stdout_bytes: int = 11 * 1024 * 1024
    stderr_bytes: int = 10 * 1024 * 1024
    artifact_bytes: int = 100 * 1024 * 1024
    artifact_files: int = 50
    inline_file_bytes: int = 64 * 1024
    inline_total_bytes: int = 1024 * 1024
    memory_bytes: int | None = None
    """Enforced by the runner where no cgroup does it; ``None`` leaves it to the cgroup."""

    tool_calls: int = 200
    tool_input_bytes: int = 5 * 1024 * 1024
    """Arguments of one call."""

    tool_inputs_bytes: int = 40 * 1024 * 1024
    """Arguments of all calls of a run together."""

    pause_seconds: float = 600.0
    """Maximum wait for the results of tool calls; ``wall_seconds`` counts between two pauses."""


@dataclass(slots=True)
class Program(Message):
    """Program to run: source text, command lines, arguments.

    ``place`` is where the source text is written. ``warm`` runs Python in the runner's own interpreter, without a
    file in the workspace. ``workspace`` writes it beside the user's files during the run (JavaScript resolves imports
    from there). ``scratch`` writes it below the private temporary directory.

    ``{source}``, ``{workspace}`` and ``{scratch}`` in the command lines stand for the paths. A part with ``{memory}``
    (bytes) is left out if the amount is unknown.
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
    """Tool offered to the program: ``name`` is the caller's name for it, ``function`` its name in the program."""

    name: str
    function: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    """JSON schema of the arguments, if there is one."""


@dataclass(slots=True)
class Request(Message):
    """Request for one run; with ``tools``, even an empty list, the run may pause."""

    program: Program
    limits: Limits = field(default_factory=Limits)
    env: dict[str, str] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)
    """Files to remove from the workspace first, because they were deleted from the session."""

    workspace: str = "/mnt/data"
    scratch: str = "/tmp"
    nonce: str = ""
    tools: list[Tool] | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Parse a request with its nested messages."""
        nested: dict[str, Any] = {
            "program": Program.from_json(data["program"]),
            "limits": Limits.from_json(data.get("limits", {})),
        }
        if data.get("tools") is not None:
            nested["tools"] = [Tool.from_json(item) for item in data["tools"]]
        return super(Request, cls).from_json({**data, **nested})


@dataclass(slots=True)
class Call(Message):
    """One tool call of the program."""

    id: str
    name: str
    input: dict[str, Any]


@dataclass(slots=True)
class Pause(Message):
    """Pause of a run: the pending tool calls, and the last part of the output so far."""

    number: int
    """Number of the pause in its run, from 1; the results carry the same number."""

    calls: list[Call]
    stdout: str = ""
    stderr: str = ""
    key: str = ""
    """The engine's own key of the run; the results carry it back."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Parse a pause with its calls."""
        return super(Pause, cls).from_json({**data, "calls": [Call.from_json(item) for item in data["calls"]]})


@dataclass(slots=True)
class Result(Message):
    """Result of one tool call."""

    call_id: str
    result: Any = None
    is_error: bool = False
    error_message: str = ""


@dataclass(slots=True)
class Results(Message):
    """Results for a pause; the program continues with them."""

    number: int
    results: list[Result]
    key: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Parse the results with each nested result."""
        return super(Results, cls).from_json({**data, "results": [Result.from_json(item) for item in data["results"]]})


@dataclass(slots=True)
class ChangedFile(Message):
    """File that the run created or changed; ``content`` (base64) is set if the file is small."""

    path: str
    size: int
    content: str | None = None


@dataclass(slots=True)
class LeftOut(Message):
    """File that is not delivered, and the reason (K21)."""

    path: str
    reason: str
    is_limit: bool = False
    """Whether it counts as a failed delivery and is reported on stderr; the reason need not be a limit."""


@dataclass(slots=True)
class Reply(Message):
    """Reply to a request: how the run ended, its output and its files."""

    ending: Ending
    code: int | None = None
    signal: str | None = None
    overflowed: str | None = None
    """Name of the stream that exceeded its cap, if any."""

    stdout: str = ""
    stderr: str = ""
    stdout_is_utf8: bool = True
    """Whether ``stdout`` equals the collected bytes; if not, U+FFFD replaces what is not UTF-8."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    changed: list[ChangedFile] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    nonce: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Parse a reply with its nested messages."""
        nested = {
            "ending": Ending(data["ending"]),
            "changed": [ChangedFile.from_json(item) for item in data.get("changed", [])],
            "left_out": [LeftOut.from_json(item) for item in data.get("left_out", [])],
        }
        return super(Reply, cls).from_json({**data, **nested})
