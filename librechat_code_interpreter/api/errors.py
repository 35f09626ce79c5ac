"""Error responses: one table from errors to HTTP statuses (K42).

No body contains a stack trace, a secret, code, or FastAPI's ``detail``.
"""

from __future__ import annotations

import logging
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from librechat_code_interpreter.core import errors

log = logging.getLogger(__name__)

STATUS: dict[type[errors.ServiceError], int] = {
    errors.BadRequest: 400,
    errors.Unauthorized: 401,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.Busy: 429,
    errors.ClientLeft: 499,
    errors.Unavailable: 503,
}
"""HTTP status of an error class; for other classes the nearest base class decides."""

HTTP_ERRORS = {
    400: ("bad_request", "The request is malformed."),
    404: ("not_found", "There is no such route."),
    405: ("method_not_allowed", "The route does not support this method."),
    413: ("too_large", "The request is too large."),
}


def json_response(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response."""
    return Response(orjson.dumps(body), status, headers, "application/json")


def error_response(error: errors.ServiceError) -> Response:
    """Convert one of our errors to a response."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
    body: dict[str, Any] = {"error": error.code, "message": error.message}
    headers: dict[str, str] = {}
    if isinstance(error, errors.ProfileMismatch):
        body |= {"expected_profile": error.expected, "actual_profile": error.actual}
    if isinstance(error, errors.Busy | errors.Unavailable):
        body["retry_after_seconds"] = error.retry_after_seconds
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, errors.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return json_response(body, status, headers)


def first_problem(problems: list[Any]) -> str:
    """Return the first invalid field and the reason, without the field's value."""
    problem = problems[0]
    if problem["type"] == "json_invalid":
        return "body: invalid JSON."
    location = ".".join(str(part) for part in problem["loc"] if part != "body") or "body"
    return f"{location}: {problem['msg']}."


def install(app: FastAPI) -> None:
    """Install the exception handlers, so that every error has our JSON body."""

    async def service_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.ServiceError)  # noqa: S101  registered for this class alone
        return error_response(error)

    async def validation_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class alone
        return error_response(errors.BadRequest(first_problem(list(error.errors()))))

    async def http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101  registered for this class alone
        code, message = HTTP_ERRORS.get(error.status_code, ("http_error", "The request could not be processed."))
        return json_response({"error": code, "message": message}, error.status_code, dict(error.headers or {}))

    async def unexpected(_: Request, error: Exception) -> Response:
        log.error("unexpected %s; the server logs its traceback", type(error).__name__)
        return json_response(
            {"error": "internal_error", "message": "Internal error; the log of the service has the traceback."}, 500
        )

    app.add_exception_handler(errors.ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, unexpected)
