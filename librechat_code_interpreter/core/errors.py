"""Errors of the request, the credential and the infrastructure.

How a *program* ends is not an error: it is a value, ``runner.endings.Ending``.

    ServiceError
    ├── BadRequest            400  the request is malformed; the message names the field
    │   └── UnknownProfile    400  an unknown execution profile
    ├── Unauthorized          401  the credential is missing or wrong
    ├── NotFound              404  absent, expired, or another caller's
    ├── Conflict              409  the request contradicts the current state
    │   ├── LanguageConflict       the session is bound to another language
    │   └── ProfileMismatch        a known execution profile that is not served here
    ├── TooLarge              413  more bytes than a limit allows
    ├── Busy                  429  no capacity at the moment
    ├── ClientLeft            499  the client closed the connection
    └── Unavailable           503  a part of the service cannot serve at the moment
        ├── EngineUnavailable      no sandbox is available, or it was lost before the program started
        ├── EngineLimited          the engine accepts no more requests at the moment; nothing was started
        ├── StoreUnavailable       the file store does not answer
        ├── LeasesUnavailable      the leases do not answer, or another replica took over the session
        └── Draining               the service is stopping

``api.errors`` maps each of them to HTTP in one table (contract K42).
"""

from __future__ import annotations


class ServiceError(Exception):
    """Base class, with a short code and a sentence for the caller; never a secret, program code or a stack trace."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class BadRequest(ServiceError):
    """The request is malformed; the message names the field (400)."""

    code = "bad_request"


class UnknownProfile(BadRequest):
    """``X-CodeAPI-Expected-Profile`` names no known profile (400, K4)."""

    code = "invalid_execution_profile"


class Unauthorized(ServiceError):
    """The credential is missing or wrong (401, K5-K8)."""

    code = "unauthorized"


class NotFound(ServiceError):
    """The session or file does not exist, or the caller may not see it (404, K9)."""

    code = "not_found"


class Conflict(ServiceError):
    """The request contradicts the current state (409)."""

    code = "conflict"


class LanguageConflict(Conflict):
    """The session is bound to another language (409, K17)."""

    code = "language_conflict"


class ProfileMismatch(Conflict):
    """The execution profile is known but not served here (409, K4)."""

    code = "execution_profile_mismatch"

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class TooLarge(ServiceError):
    """A body or a file is over a limit; nothing of it is stored (413, K36)."""

    code = "too_large"


class Busy(ServiceError):
    """No capacity at the moment; ``retry_after_seconds`` is clamped to 1 to 15 (429, K42)."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_seconds: int = 2) -> None:
        super().__init__(message)
        self.retry_after_seconds = max(1, min(15, retry_after_seconds))


class ClientLeft(ServiceError):
    """The client closed the connection, so the answer is never read (499, K26)."""

    code = "client_closed_request"


class Unavailable(ServiceError):
    """A part of the service cannot serve at the moment; ``retry_after_seconds`` is at least 1 (503)."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = max(1, retry_after_seconds)


class EngineUnavailable(Unavailable):
    """No sandbox is available, or it died before the program started."""

    code = "engine_unavailable"


class EngineLimited(Unavailable):
    """The engine accepts no more requests at the moment; nothing was started, and the sandbox is unchanged."""

    code = "engine_limited"


class StoreUnavailable(Unavailable):
    """The file store does not answer."""

    code = "store_unavailable"


class LeasesUnavailable(Unavailable):
    """The leases do not answer, or the lock of a session was lost."""

    code = "leases_unavailable"


class Draining(Unavailable):
    """The service is stopping and accepts no new runs."""

    code = "draining"
