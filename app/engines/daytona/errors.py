"""Tell what an error of Daytona means for us: is the sandbox gone, has the program started, when to come again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

import aiohttp
from daytona import DaytonaError

from app.core.errors import EngineLimited, EngineUnavailable, Unavailable

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
    """Say what ``GET /sandbox/{id}`` told about a sandbox."""

    STARTED = "started"
    """It lives; whatever went wrong, went wrong inside or on the way."""

    DOWN = "down"
    """It is stopped or on the way there. Ours are ephemeral: Daytona deletes one that stops."""

    ILL = "ill"
    """It is in an error state."""

    GONE = "gone"
    """There is no such sandbox any more."""

    UNKNOWN = "unknown"
    """Nobody could tell now."""


def state_of(word: object) -> State:
    """Sort a state of the API, some twenty words, into ours."""
    name = str(getattr(word, "value", word))
    if name in ("destroyed", "destroying"):
        return State.GONE
    if name in _DOWN:
        return State.DOWN
    return State.ILL if name in _ILL else State.STARTED


def has_certainly_not_started(error: DaytonaError) -> bool:
    """Tell whether the failed POST of a run cannot have started the program.

    It never left, it was refused, or the proxy says that it reached nobody. Anything else (a connection that broke, a
    502 without a reason, a time-out) may have happened while the program ran.
    """
    if error.status_code in _REFUSED:
        return True
    if error.status_code in (502, 503):
        return _NEVER_REACHED.search(str(error)) is not None
    return error.status_code is None and any(isinstance(cause, aiohttp.ClientConnectorError) for cause in causes(error))


def is_about_the_sandbox(error: DaytonaError) -> bool:
    """Tell whether the sandbox, and not the request or the account, is the likely trouble."""
    return error.status_code not in (403, 413, 422, 429)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to what is behind it; the SDK wraps every error several times."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def refusal(error: DaytonaError, doing: str) -> Unavailable:
    """Turn an error of the control plane into one of ours.

    ``EngineUnavailable`` invites the core to try once more at once. Where that would make things worse (a rate limit, a
    quota, a refused key) it is another ``Unavailable``, with a time.
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
    """Read the longest of the ``Retry-After`` headers (there is one for each kind of limit), in seconds."""
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
