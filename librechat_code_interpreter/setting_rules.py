"""Rules between settings, with the error for each violation."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # import cycle at run time: settings import their rules
    from librechat_code_interpreter.settings import Settings

WAIT_SECONDS = 600
"""Time a paused program waits for tools (K32), in which Daytona sees no activity in its sandbox."""


def rules(settings: Settings) -> list[tuple[bool, str]]:
    """List the rules between settings: whether each is met, and its error if not."""
    return [
        (
            settings.run_timeout_seconds <= settings.run_timeout_max_seconds,
            "RUN_TIMEOUT_SECONDS: more than RUN_TIMEOUT_MAX_SECONDS",
        ),
        (
            settings.adapter_engine != "daytona" or settings.daytona_api_key is not None,
            "DAYTONA_API_KEY: not set, and ADAPTER_ENGINE=daytona needs it",
        ),
        (
            _outlasts(settings.daytona_auto_stop_minutes, max(settings.run_timeout_max_seconds, WAIT_SECONDS)),
            "DAYTONA_AUTO_STOP_MINUTES: has to be 0 or longer than RUN_TIMEOUT_MAX_SECONDS and five minutes more,"
            " and than the fifteen minutes of a program that waits for tools",
        ),
        (
            _outlasts(settings.daytona_ttl_minutes, 2 * settings.run_timeout_max_seconds),
            "DAYTONA_TTL_MINUTES: has to be 0 or longer than twice RUN_TIMEOUT_MAX_SECONDS and five minutes more",
        ),
        (
            settings.sandbox_min_isolation != "none" or _is_loopback(settings.host),
            "HOST: has to be a loopback address with SANDBOX_MIN_ISOLATION=none",
        ),
    ]


def _outlasts(minutes: int, seconds: float) -> bool:
    return minutes == 0 or 60 * minutes > seconds + 300


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
