"""Name everything that can go wrong with a request, the credential or the infrastructure.

How a *program* ends is not here: that is a value, ``app.runner.endings.Ending``.

    ServiceError
    ├── BadRequest            400  the request is malformed; the text names the field
    │   └── UnknownProfile    400  an execution profile nobody knows
    ├── Unauthorized          401  no credential, or a wrong one
    ├── NotFound              404  absent, expired, or somebody else's
    ├── Conflict              409  the request contradicts what is there
    │   ├── LanguageConflict       the session is bound to another language
    │   └── ProfileMismatch        a known execution profile that is not served here
    ├── TooLarge              413  more bytes than a limit allows
    ├── Busy                  429  capacity is taken for now
    ├── ClientLeft            499  nobody waits for the answer any more
    └── Unavailable           503  a part of the service cannot serve for now
        ├── EngineUnavailable      no sandbox can be had, or it was lost before the program started
        ├── EngineLimited          the engine takes no more requests for now; nothing was begun
        ├── StoreUnavailable       the file store does not answer
        ├── LeasesUnavailable      the leases do not answer, or another replica took the session over
        └── Draining               the service is stopping

``app.api.errors`` maps each of them to HTTP in one table (contract K42).
"""

from __future__ import annotations


class ServiceError(Exception):
    """Carry a short code and a sentence for the caller; never a secret, code or a stack trace."""

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class BadRequest(ServiceError):
    """Tell that the request is malformed; the message names the field."""

    code = "bad_request"


class UnknownProfile(BadRequest):
    """Tell that ``X-CodeAPI-Expected-Profile`` names no known profile (K4)."""

    code = "invalid_execution_profile"


class Unauthorized(ServiceError):
    """Tell that the credential is missing or wrong (K5-K8)."""

    code = "unauthorized"


class NotFound(ServiceError):
    """Tell that something is absent; what belongs to somebody else is absent too (K9)."""

    code = "not_found"


class Conflict(ServiceError):
    """Tell that the request contradicts the state it meets."""

    code = "conflict"


class LanguageConflict(Conflict):
    """Tell that the session is bound to another language (K17)."""

    code = "language_conflict"


class ProfileMismatch(Conflict):
    """Tell that a known execution profile is not served here (K4)."""

    code = "execution_profile_mismatch"

    def __init__(self, message: str, *, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class TooLarge(ServiceError):
    """Tell that a body or a file is over a limit; nothing of it is kept (K36)."""

    code = "too_large"


class Busy(ServiceError):
    """Tell that capacity is taken, and when to come again (seconds, 1 to 15 by K42)."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_seconds: int = 2) -> None:
        super().__init__(message)
        self.retry_after_seconds = max(1, min(15, retry_after_seconds))


class ClientLeft(ServiceError):
    """Tell that the client closed the connection; what is answered is never read (K26)."""

    code = "client_closed_request"


class Unavailable(ServiceError):
    """Tell that a part of the service cannot serve now, and when to come again (seconds)."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = max(1, retry_after_seconds)


class EngineUnavailable(Unavailable):
    """Tell that no sandbox can be had, or that it died before the program started."""

    code = "engine_unavailable"


class EngineLimited(Unavailable):
    """Tell that the engine takes no more requests for now: nothing was begun, and the sandbox is as it was."""

    code = "engine_limited"


class StoreUnavailable(Unavailable):
    """Tell that the file store does not answer."""

    code = "store_unavailable"


class LeasesUnavailable(Unavailable):
    """Tell that the leases do not answer, or that a hold on a session was lost."""

    code = "leases_unavailable"


class Draining(Unavailable):
    """Tell that the service is stopping and takes no new runs."""

    code = "draining"
