"""Classification of Daytona errors: is the sandbox gone, did the program start, when to retry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

import aiohttp
from daytona import DaytonaError

from librechat_code_interpreter.core.errors import EngineLimited, EngineUnavailable, Unavailable

QUOTA_RETRY_SECONDS = 30
LIMITED_RETRY_SECONDS = 5
CREDENTIAL_RETRY_SECONDS = 60
_MOST_RETRY_SECONDS = 300

_QUOTA = re.compile(
    r"quota|limit (?:is )?(?:exceeded|reached)|maximum allowed|exceeds? .*limit|no available runners"
    r"|suspended|depleted",
    re.IGNORECASE,
)
_NEVER_REACHED = re.compile(
    r"dial tcp|connection refused|no such host|no route to host|no IP address|not (?:running|started|found)"
    r"|is (?:stopped|stopping|archived|destroyed|destroying)",
    re.IGNORECASE,
)
_REFUSED = frozenset({400, 401, 403, 404, 405, 409, 410, 413, 422, 429})

_DOWN = frozenset({"stopped", "stopping", "destroyed", "destroying", "archived", "archiving", "paused", "pausing"})
_ILL = frozenset({"error", "build_failed"})


class State(Enum):
    """State of a sandbox as reported by ``GET /sandbox/{id}``."""

    STARTED = "started"
    """The sandbox is alive; the error occurred inside it or in transit."""

    DOWN = "down"
    """The sandbox is stopped or stopping. Ours are ephemeral: Daytona deletes a stopped one."""

    ILL = "ill"
    """The sandbox is in an error state."""

    GONE = "gone"
    """The sandbox no longer exists."""

    UNKNOWN = "unknown"
    """The state could not be determined now."""


def state_of(word: object) -> State:
    """Map an API state, of which there are some twenty, to ``State``."""
    name = str(getattr(word, "value", word))
    if name in ("destroyed", "destroying"):
        return State.GONE
    if name in _DOWN:
        return State.DOWN
    return State.ILL if name in _ILL else State.STARTED


def has_certainly_not_started(error: DaytonaError) -> bool:
    """Return whether the failed POST of a run cannot have started the program.

    The request was never sent, it was refused, or the proxy reports that it reached nobody. Any other error (a broken
    connection, a 502 without a reason, a timeout) may have occurred while the program ran.
    """
    if error.status_code in _REFUSED:
        return True
    if error.status_code in (502, 503):
        return _NEVER_REACHED.search(str(error)) is not None
    return error.status_code is None and any(isinstance(cause, aiohttp.ClientConnectorError) for cause in causes(error))


def is_about_the_sandbox(error: DaytonaError) -> bool:
    """Return whether the sandbox is the likely cause, rather than the request or the account."""
    return error.status_code not in (403, 413, 422, 429)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Iterate over an error and its causes; the SDK wraps every error several times."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def refusal(error: DaytonaError, doing: str) -> Unavailable:
    """Convert an error of the control plane into one of ours.

    After ``EngineUnavailable`` the core retries once, at once. Where a retry would do harm (a rate limit, a quota, a
    refused key) the error is another ``Unavailable``, with a retry time.
    """
    if error.status_code == 429:
        wait = retry_after(error) or LIMITED_RETRY_SECONDS
        return EngineLimited("Daytona limits our requests for now.", retry_after_seconds=wait)
    if error.status_code in (401, 403) and not _QUOTA.search(str(error)):
        return Unavailable("Daytona refuses the service's key.", retry_after_seconds=CREDENTIAL_RETRY_SECONDS)
    if _QUOTA.search(str(error)):
        return Unavailable("The quota of the Daytona account is used up.", retry_after_seconds=QUOTA_RETRY_SECONDS)
    return EngineUnavailable(f"Daytona could not {doing} now.")


def retry_after(error: DaytonaError) -> int | None:
    """Return the longest ``Retry-After``, in seconds; there is one such header for each kind of limit."""
    found = [
        seconds
        for name, value in error.headers.items()
        if str(name).lower().startswith("retry-after")
        if (seconds := _seconds(str(value))) is not None
    ]
    return min(max(found), _MOST_RETRY_SECONDS) if found else None


def _seconds(value: str) -> int | None:
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", value):
        return max(1, int(float(value) + 0.999))
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(1, int((when - datetime.now(UTC)).total_seconds()) + 1)
