"""Parser of the metrics page, as Prometheus reads it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from librechat_code_interpreter.core.events import (
    Answered,
    EngineCalled,
    Events,
    FinishedRun,
    PoolFilled,
    PoolTaken,
    PoolWhole,
    Seconds,
    StoreCalled,
)
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.telemetry.metrics import Metrics

OURS = "code_interpreter_"
RUN = FinishedRun(
    at=0.0, request_id="r", run_id="n", principal=Principal("key"), session_id="s", language="py", ending="ok",
    exit_code=0, total_seconds=0.1, seconds=Seconds(), cpu_seconds=0.1, peak_memory_bytes=1, source_chars=1,
    staged_files=1, staged_bytes=1, output_chars=1, delivered_files=1, delivered_bytes=1, failed_files=1, tool_rounds=0,
    sandbox="kept", is_follow_up=True,
)  # fmt: skip
EVENTS = [
    RUN,
    RUN._replace(ending="paused"),
    Answered("exec", 200, 0.1),
    PoolTaken("jail", "bare", True, 1.0, 1),
    PoolFilled("jail", "bare", 2),
    PoolWhole("jail", 0.1),
    EngineCalled("create", "ok", 0.1),
    StoreCalled("write", "ok", 0.1, 1),
]
"""At least one event for each metric."""


@dataclass(frozen=True)
class Page:
    """The samples of one scrape."""

    text: str

    def value(self, name: str, **labels: str) -> float:
        """Add up the samples of a name that have these labels; our prefix goes without saying."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
            if sample.name == OURS + name and labels.items() <= sample.labels.items()
        )


async def scrape(http: httpx.AsyncClient) -> Page:
    """Scrape once."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return Page(answer.text)


@dataclass(frozen=True)
class Family:
    """A metric as a scrape shows it; ``bounds`` are those of a histogram's buckets."""

    type: str
    labels: set[str]
    bounds: list[str]


@cache
def families() -> dict[str, Family]:
    """Map the names of all metrics, without our prefix, to what a scrape shows after each kind of event."""
    events = Events()
    idle: Any = Idle()
    page = Metrics(events, idle, idle, "none").page
    for event in EVENTS:
        events.tell(event)
    text, _ = asyncio.run(page(""))
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        if family.name.startswith(OURS):
            assert family.samples, family.name
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            bounds = dict.fromkeys(sample.labels["le"] for sample in family.samples if "le" in sample.labels)
            found[family.name.removeprefix(OURS)] = Family(family.type, labels, list(bounds)[:-1])
    return found


class Idle:
    """Stand for the admission and the leases of a service without a run."""

    running = present = 0

    async def all(self) -> list[object]:
        return []
