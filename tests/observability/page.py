"""Parser of the metrics page, as Prometheus reads it."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

OURS = "code_interpreter_"


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
