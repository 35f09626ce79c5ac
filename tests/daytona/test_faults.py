"""Classification of Daytona's errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from daytona import DaytonaConnectionError, DaytonaError, DaytonaTimeoutError
from daytona import SandboxState as SyncSandboxState
from daytona_api_client_async import SandboxState

from librechat_code_interpreter.core.errors import EngineLimited, EngineUnavailable, Unavailable
from librechat_code_interpreter.engines.daytona import errors
from librechat_code_interpreter.engines.daytona.errors import State


def error(status: int | None, message: str = "", **headers: str) -> DaytonaError:
    """Make an error as the SDK does; underscores in header names stand for hyphens."""
    return DaytonaError(message, status_code=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_a_refused_run_has_not_started(status: int) -> None:
    """A refused request was not executed."""
    assert errors.has_certainly_not_started(error(status))


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, None])
def test_anything_that_may_come_later_proves_nothing(status: int | None) -> None:
    """Timeouts and errors behind the proxy do not show when they happened."""
    assert not errors.has_certainly_not_started(error(status, "something broke"))


@pytest.mark.parametrize("words", ["dial tcp 10.0.0.1:2280: connect: connection refused", "sandbox is not running"])
def test_a_proxy_that_reached_nobody_says_so(words: str) -> None:
    """The proxy's 502 then counts as a refusal; the same text in the sandbox's own 500 does not."""
    assert errors.has_certainly_not_started(error(502, words))
    assert not errors.has_certainly_not_started(error(500, words))


def test_a_connection_that_was_never_made_carried_nothing() -> None:
    """The transport's error is found behind the SDK's wrapper."""
    key = aiohttp.client_reqrep.ConnectionKey("host", 1, False, True, None, None, None)
    wrapped = DaytonaConnectionError("no connection")
    wrapped.__cause__ = aiohttp.ClientConnectorError(key, OSError("refused"))
    assert errors.has_certainly_not_started(wrapped)
    dropped = DaytonaConnectionError("dropped")
    dropped.__cause__ = aiohttp.ServerDisconnectedError()
    assert not errors.has_certainly_not_started(dropped)
    assert not errors.has_certainly_not_started(DaytonaTimeoutError("too slow"))


@pytest.mark.parametrize(
    "message",
    [
        "Total CPU limit exceeded. Maximum allowed: 10.",
        "Total memory quota exceeded",
        "Sandbox limit reached",
        "No available runners",
        "Organization is suspended: Credits depleted",
    ],
)
@pytest.mark.parametrize("status", [400, 403])
def test_a_quota_is_known_by_its_words_and_not_tried_again_at_once(status: int, message: str) -> None:
    """The core retries ``EngineUnavailable`` at once, so this needs another class."""
    refused = errors.refusal(error(status, message), "make a sandbox")
    assert type(refused) is Unavailable
    assert refused.retry_after_seconds == errors.QUOTA_RETRY_SECONDS
    assert message not in refused.message


@pytest.mark.parametrize("status", [400, 404, 500, 502, 503, None])
def test_other_errors_may_be_tried_once_more(status: int | None) -> None:
    """No text of Daytona reaches the client."""
    refused = errors.refusal(error(status, "a secret of the infrastructure"), "make a sandbox")
    assert isinstance(refused, EngineUnavailable)
    assert refused.message == "Daytona could not make a sandbox now."


def test_a_rate_limit_hands_its_longest_time_on() -> None:
    """There is a header for each kind of limit."""
    limited = error(429, Retry_After_Authenticated="3", Retry_After_Sandbox_Create="17", X_RateLimit_Reset="99")
    refused = errors.refusal(limited, "make a sandbox")
    assert (type(refused), refused.retry_after_seconds) == (EngineLimited, 17)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0", 1), ("1.2", 2), ("100000", 300), ("soon", None), ("-5", None), ("", None)],
)
def test_retry_after_is_read_with_care(value: str, seconds: int | None) -> None:
    """Invalid values count as absent, huge ones are clamped."""
    assert errors.retry_after(error(429, retry_after=value)) == seconds


def test_retry_after_may_be_a_date() -> None:
    """HTTP allows both."""
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert errors.retry_after(error(429, Retry_After=then)) in range(28, 33)


@pytest.mark.parametrize("words", [SandboxState, SyncSandboxState])
def test_every_state_of_the_api_is_sorted(words: type[SandboxState] | type[SyncSandboxState]) -> None:
    """An unknown state of a later API counts as alive; the next call shows whether it is."""
    sorted_states = {word.value: errors.state_of(word) for word in words}
    assert sorted_states["started"] is State.STARTED
    assert {sorted_states[word] for word in ("destroyed", "destroying")} == {State.GONE}
    assert {sorted_states[word] for word in ("stopped", "stopping", "archived", "paused")} == {State.DOWN}
    assert {sorted_states[word] for word in ("error", "build_failed")} == {State.ILL}
    assert errors.state_of("a-new-word") is State.STARTED
