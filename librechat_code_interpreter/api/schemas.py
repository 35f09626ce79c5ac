"""Wire models. Unknown keys are ignored (K3); a field without a value is omitted (K19)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


def _as_list(value: Any) -> Any:
    return [] if value is None else [value] if isinstance(value, str) else value


def _encodable(value: Any) -> Any:
    """Replace lone surrogates, which JSON can carry and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_encodable)]


class WireRef(_Lenient):
    """Reference to a stored file, as old clients (``session_id``) or new ones (``storage_session_id``) send it."""

    id: str | None = None
    session_id: str | None = None
    storage_session_id: str | None = None
    name: str | None = None


class ExecRequest(_Lenient):
    """Request to run a program (K14-K16)."""

    lang: str = Field(description="Language: py, js, ts, bash, ... or an alias of it.", examples=["python"])
    code: str = Field(description="The program.", examples=["print(2+2)"])
    args: Annotated[list[str], BeforeValidator(_as_list)] = Field(default=[], description="Command line arguments.")
    files: Annotated[list[WireRef], BeforeValidator(_as_list)] = Field(
        default=[], description="Stored files to place in the workspace."
    )
    session_id: Text | None = Field(
        default=None, description="Session to continue; if it does not exist, a new one is created."
    )
    user_id: Text | None = Field(default=None, description="User, if no token proves one.")
    runtime_session_hint: Text | None = Field(
        default=None, description="Id of the conversation, whose runs share a session."
    )
    timeout: Annotated[float | None, Field(default=None, gt=0, description="Time limit in milliseconds.")]


class Origin(BaseModel):
    """The input of which a file is a new version."""

    id: str
    storage_session_id: str


class ExecFile(BaseModel):
    """A file that a run created or changed (K20)."""

    id: str
    name: str
    session_id: str
    storage_session_id: str
    modified_from: Origin | None = None


class ArtifactDelivery(BaseModel):
    """Number of files that could not be delivered (K21)."""

    code: str = "artifact_delivery_failed"
    status: str
    attempted: int
    delivered: int
    failed: int


class ExecResponse(BaseModel):
    """Result of a run (K19)."""

    session_id: str
    stdout: str
    stderr: str
    files: list[ExecFile]
    language: str
    wall_time: float = Field(description="Milliseconds.")
    code: int | None = None
    signal: str | None = None
    message: str | None = None
    status: str | None = Field(
        default=None, description="TO: time limit; OL: output limit; SG: signal or memory limit."
    )
    deleted_files: list[str] | None = None
    artifact_delivery: ArtifactDelivery | None = None


class WireTool(_Lenient):
    """A tool that a program may call."""

    name: Text
    description: Text | None = None
    parameters: Any = Field(default=None, description="JSON schema of the arguments.")


class WireResult(_Lenient):
    """Result of one tool call (K32)."""

    call_id: Text
    result: Any = None
    is_error: bool | None = False
    error_message: Text | None = None


class ProgrammaticRequest(_Lenient):
    """Request to run a program that may call tools, or to resume one (K27-K33)."""

    code: str | None = Field(default=None, description="The program; in the first request.")
    tools: list[WireTool] | None = Field(default=None, description="Tools that the program may call.")
    lang: str | None = Field(default=None, description="python (default) or bash.")
    language: str | None = Field(default=None, description="Synonym of lang.")
    timeout: Annotated[
        float | None, Field(default=None, gt=0, description="Time limit between two responses in milliseconds.")
    ]
    files: Annotated[list[WireRef], BeforeValidator(_as_list)] = Field(default=[], description="As for /exec.")
    session_id: Text | None = None
    user_id: Text | None = None
    runtime_session_hint: Text | None = None
    continuation_token: str | None = Field(default=None, description="From the last response; in each later request.")
    tool_results: list[WireResult] | None = Field(default=None, description="One result for each pending tool call.")


class ToolCall(BaseModel):
    """A tool call for the client to make (K28)."""

    id: str
    name: str
    input: dict[str, Any]


class ProgrammaticResponse(BaseModel):
    """A pause for tool calls, or the result of the run (K27)."""

    status: str = Field(description="tool_call_required, completed or error.")
    session_id: str
    continuation_token: str | None = None
    tool_calls: list[ToolCall] | None = None
    partial_stdout: str | None = None
    partial_stderr: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    files: list[ExecFile] | None = None
    error: str | None = None
    deleted_files: list[str] | None = None
    artifact_delivery: ArtifactDelivery | None = None


class CancelRequest(_Lenient):
    """Request to cancel the request in flight with this X-LibreChat-Code-Request-ID (K33)."""

    request_id: str


class Cancelled(BaseModel):
    """Result of a cancellation."""

    message: str = "Cancelled"
    request_id: str


class UploadedFile(BaseModel):
    """An uploaded file, under every name that a client reads (K34)."""

    fileId: str
    filename: str
    id: str
    name: str
    size: int
    status: str | None = None


class UploadResponse(BaseModel):
    """Result of an upload (K34)."""

    message: str = "success"
    session_id: str
    storage_session_id: str
    files: list[UploadedFile]


class BatchResponse(BaseModel):
    """Result of an upload in which single files may fail (K35)."""

    message: str
    session_id: str
    storage_session_id: str
    files: list[dict[str, Any]]
    succeeded: int
    failed: int


class Deleted(BaseModel):
    """Result of a deletion (K41)."""

    message: str = "File deleted successfully"
    session_id: str
    fileId: str


class LanguageInfo(BaseModel):
    """One language; ``packages`` lists the Debian packages of its toolchain if that is missing."""

    lang: str
    aliases: list[str]
    available: bool
    packages: list[str] | None = None


class LanguagesResponse(BaseModel):
    """All languages that the service supports."""

    languages: list[LanguageInfo]


class ErrorBody(BaseModel):
    """Error response (K42)."""

    error: str
    message: str | None = None


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": description}
    for status, description in {
        400: "Malformed request; the message names the field",
        401: "Missing or invalid credential",
        404: "Not found, expired, or not visible to the caller",
        413: "A size limit is exceeded",
        429: "No capacity is free; retry after Retry-After seconds",
        503: "A part of the service is unavailable; retry after Retry-After seconds",
    }.items()
}
"""Error responses that every route can return, for the OpenAPI page."""
