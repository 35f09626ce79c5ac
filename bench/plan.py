"""Size of a measurement: levels, rounds, calls, and time limits."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Level:
    """Describe one number of callers: rounds, calls in a round, and the longest that one contender's round may take.

    A contender of which one wave promises to take longer than ``patience_seconds`` is left out, and said to.
    """

    at_once: int
    rounds: int
    calls: int
    cap_seconds: float
    patience_seconds: float = 12.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Describe a whole run; ``contenders`` are those of each case."""

    name: str
    levels: tuple[Level, ...]
    contenders: dict[str, tuple[str, ...]]
    share_requests: int
    stored_sessions: int
    transfer_mib: int
    idle_sessions: int
    live_sessions: tuple[int, ...]
    session_files: tuple[int, ...]
    load_seconds: float
    waves: int
    """How often each of a crowd asks."""

    burst: int = 32
    turns: int = 20
    call_seconds: float = 0.020


_ALL = ("service", "bare", "bwrap", "llm-sandbox", "ipykernel")
_COLD, _JAILED = ("service", "bare"), ("service", "bwrap")

FULL = Plan(
    "full",
    levels=(Level(1, 5, 25, 2.0), Level(8, 2, 96, 4.0), Level(32, 1, 128, 6.0), Level(128, 1, 256, 10.0)),
    contenders=dict.fromkeys(("print", "imports", "plot", "bash", "js", "ts"), _ALL),
    share_requests=2000,
    stored_sessions=10_000,
    transfer_mib=1024,
    idle_sessions=200,
    live_sessions=(1, 100, 1000),
    session_files=(10, 1000, 10_000),
    load_seconds=4.0,
    waves=4,
)
SHORT = replace(
    FULL,
    name="short",
    levels=(Level(1, 2, 15, 1.0), Level(8, 1, 48, 2.0), Level(32, 1, 64, 3.0, 8.0), Level(128, 1, 128, 5.0, 8.0)),
    share_requests=400,
    transfer_mib=256,
    idle_sessions=60,
    live_sessions=(1, 100),
    session_files=(10, 100, 1000),
    load_seconds=1.0,
    waves=1,
)
QUICK = Plan(
    "quick",
    levels=(Level(1, 2, 20, 0.4),),
    contenders={"print": _JAILED, "imports": _COLD, "plot": _COLD, "bash": _JAILED, "js": _COLD, "ts": _COLD},
    share_requests=500,
    stored_sessions=2000,
    transfer_mib=256,
    idle_sessions=20,
    live_sessions=(1, 25),
    session_files=(10, 400),
    load_seconds=0.5,
    waves=1,
    burst=16,
    turns=8,
)
