"""Errors as the three parts of Daytona write them: the control plane, the proxy before the toolbox, the daemon."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Source = Literal["DAYTONA_API", "DAYTONA_PROXY", "DAYTONA_DAEMON"]

_OF_ERRNO = {
    errno.ENOENT: (404, "FILE_NOT_FOUND"),
    errno.EACCES: (403, "FILE_ACCESS_DENIED"),
    errno.EPERM: (403, "FILE_ACCESS_DENIED"),
    errno.EROFS: (403, "FILE_ACCESS_DENIED"),
    errno.EEXIST: (409, "CONFLICT"),
}


class Problem(Exception):
    """End a request with an error of the API."""

    def __init__(self, status: int, message: str, code: str | None = None, source: Source = "DAYTONA_API") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.source: Source = source

    def body(self, method: str, path: str) -> dict[str, Any]:
        """Write the envelope, which the SDK's errors take their message, code and source from."""
        return {
            "statusCode": self.status,
            "error": HTTPStatus(self.status).phrase,
            "message": self.message,
            "code": self.code or HTTPStatus(self.status).name,
            "source": self.source,
            "timestamp": datetime.now(UTC).isoformat(),
            "path": path,
            "method": method,
        }


def of_errno(number: int, path: str, message: str) -> Problem:
    """Turn what the sandbox's system refused into the daemon's error."""
    status, code = _OF_ERRNO.get(number, (400, "BAD_REQUEST"))
    return Problem(status, f"{path}: {message}", code, "DAYTONA_DAEMON")


async def answer(request: Request, problem: Exception) -> Response:
    """Write an error; an old daemon writes none of it."""
    if not isinstance(problem, Problem):
        raise problem
    if problem.source == "DAYTONA_DAEMON" and request.app.state.settings.old_daemon:
        return Response(status_code=problem.status)
    return JSONResponse(problem.body(request.method, request.url.path), problem.status)
