"""The targets, each as a ratio or a bound, and which of them a run met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Run = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Describe one target: what is compared, how, and the bound."""

    name: str
    of: Callable[[Run], float]
    bound: float
    at_least: bool = False
    unit: str = ""

    @property
    def wanted(self) -> str:
        """Write the bound."""
        return f"{'>=' if self.at_least else '<='} {self.bound:.4g} {self.unit}".strip()

    def judge(self, run: Run) -> dict[str, Any]:
        """Return how a run did; a figure that the run lacks is neither met nor missed."""
        try:
            got = float(self.of(run))
        except (KeyError, StopIteration, ZeroDivisionError, TypeError):
            return {"name": self.name, "wanted": self.wanted, "got": None, "met": None, "unit": self.unit}
        met = got >= self.bound if self.at_least else got <= self.bound
        return {"name": self.name, "wanted": self.wanted, "got": got, "met": met, "unit": self.unit}


def cell(run: Run, case: str, contender: str, figure: str = "p50", at_once: int = 1) -> float:
    """Return one figure of the table. Raises ``StopIteration`` and ``TypeError`` when it is not there."""
    wanted = (case, at_once, contender)
    row = next(row for row in run["rows"] if (row["case"], row["at_once"], row["contender"]) == wanted)
    return float(row[figure])


def ratio(case: str, to: str, figure: str = "p50", at_once: int = 1) -> Callable[[Run], float]:
    """Compare the service with another contender at the same case."""
    return lambda run: cell(run, case, "service", figure, at_once) / cell(run, case, to, figure, at_once)


def got(*path: str) -> Callable[[Run], float]:
    """Read a measured figure."""

    def read(run: Run) -> float:
        value: Any = run["measured"]
        for name in path:
            value = value[name]
        return float(value)

    return read


def _over_bare(case: str) -> Callable[[Run], float]:
    return lambda run: cell(run, case, "service") - cell(run, case, "bare")


def _spread(run: Run) -> float:
    return cell(run, "print", "service", "p99") / cell(run, "print", "service")


def _flat(run: Run) -> float:
    """Compare the worst point of the curve over live sessions with its first."""
    curve = run["measured"]["growth"]["sessions"]
    points = [point[name] for point in curve.values() for name in ("new_session_ms",)]
    return float(max(points) / points[0])


def _linear(run: Run) -> float:
    """Compare how the time grew over the last step of the curve with how the files did; 1 is a straight line from 0."""
    curve = run["measured"]["growth"]["files"]
    (fewer, before), (more, after) = [(int(count), point["run_ms"]) for count, point in curve.items()][-2:]
    return float(after / before / (more / fewer))


def _failures_at_128(run: Run) -> float:
    return float(run["measured"]["load"]["crowds"]["128"]["failures"])


def _per_spare(run: Run) -> float:
    load = run["measured"]["load"]
    return float(load["spares_back_seconds"] / load["spares"])


TARGETS = (
    Target("print(2+2): p50 to bare bwrap python3 -c", ratio("print", "bwrap"), 1.0),
    Target("print(2+2): p99 to its p50", _spread, 3.0),
    Target("imports alone: to a cold process", ratio("imports", "bare"), 1 / 30),
    Target("imports and a saved plot: to a cold process", ratio("plot", "bare"), 1 / 10),
    Target("bash: p50 to bare bwrap bash", ratio("bash", "bwrap"), 2.0),
    Target("JavaScript: p50 above the runtime's bare start", _over_bare("js"), 10.0, unit="ms"),
    Target("TypeScript: p50 above the runtime's bare start", _over_bare("ts"), 10.0, unit="ms"),
    Target("requests a second at 8 at once: to one at a time", got("load", "eight_over_single"), 1.6, at_least=True),
    Target("… with no spares made ahead", got("load", "eight_over_single_without_spares"), 1.6, at_least=True),
    Target("… and to the engine alone, without HTTP", got("load", "eight_over_engine_alone"), 0.6, at_least=True),
    Target("128 at once: failures other than 429", _failures_at_128, 0.0),
    Target("128 at once: p50 to 16 × that of 8 at once", got("load", "latency_growth_8_to_128"), 1.1),
    Target("own share of a request: p50", got("share", "p50_ms"), 2.0, unit="ms"),
    Target("own share: requests a second of one core", got("share", "per_second"), 1000.0, at_least=True),
    Target("listing with many sessions stored: p50", got("stored", "listing_p50_ms"), 3.0, unit="ms"),
    Target("probing with many sessions stored: p50", got("stored", "probing_p50_ms"), 3.0, unit="ms"),
    Target("upload: speed to a loopback socket's", got("transfer", "upload_ratio"), 0.5, at_least=True),
    Target("download: speed to a loopback socket's", got("transfer", "download_ratio"), 0.5, at_least=True),
    Target("memory growth during both", got("transfer", "memory_growth_mib"), 64.0, unit="MiB"),
    Target("an idle session", got("footprint", "idle_session_mib"), 1.0, unit="MiB"),
    Target("the service with the stack loaded", got("footprint", "at_rest_mib"), 250.0, unit="MiB"),
    Target("start to ready, warm", got("footprint", "start_seconds"), 3.0, unit="s"),
    Target("live sessions: worst p50 to the first", _flat, 1.25),
    Target("files in a session: growth of time to growth of files", _linear, 1.0),
    Target("after a burst: seconds for each spare", _per_spare, 1.0, unit="s"),
    Target("Daytona: steady exec above one call, p50", got("daytona", "over_one_call_p50_ms"), 5.0, unit="ms"),
    Target("Daytona: sandboxes for a conversation", got("daytona", "sandboxes_created"), 1.0),
)


def judge(run: Run) -> list[dict[str, Any]]:
    """Judge every target."""
    return [target.judge(run) for target in TARGETS]
