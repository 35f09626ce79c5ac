"""Validation of every reply against the models of the installed SDK; without the SDK, no validation."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse

Package = Literal["daytona_api_client_async", "daytona_toolbox_api_client_async"]
_TOOLBOX_MODELS = {"ExecuteResponse", "CodeRunResponse", "FileInfo", "UploadFilesResponse", "UploadedFile"} | {
    "UserHomeDirResponse",
    "WorkDirResponse",
}


class InvalidReply(Exception):
    """The emulator was about to answer what the SDK could not read: a fault of the emulator."""


def reply(request: Request, model: str, content: Any, status: int = 200) -> JSONResponse:
    """Answer with JSON that the SDK's model of this name accepts; a list holds such things. Raises ``InvalidReply``."""
    if request.app.state.settings.validate:
        for item in content if isinstance(content, list) else [content]:
            check(model, item)
    return JSONResponse(content, status)


def check(model: str, content: dict[str, Any]) -> None:
    """Raise ``InvalidReply`` when the SDK's model refuses the content, or does not give it back as it was."""
    known = _model(model)
    if known is None:
        return
    try:
        given_back = known.from_dict(content).to_dict()
    except ValueError as error:
        raise InvalidReply(f"{model}: {error}") from error
    unknown = content.keys() - set(given_back) - {name for name, value in content.items() if value is None}
    if unknown:
        raise InvalidReply(f"{model} lost {sorted(unknown)}")


@cache
def _model(name: str) -> Any:
    package: Package = "daytona_toolbox_api_client_async" if name in _TOOLBOX_MODELS else "daytona_api_client_async"
    if find_spec(package) is None:
        return None
    return getattr(import_module(package), name)
