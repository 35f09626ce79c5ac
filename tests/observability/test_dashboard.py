"""The Grafana dashboard shows exactly the service's metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.observability.page import OURS, families

FILE = Path(__file__).parents[2] / "deploy" / "grafana" / "code-interpreter.json"
DASHBOARD = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
OF_PROMETHEUS = {"job", "instance", "le"}
ENDINGS = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


def samples() -> dict[str, str]:
    """Map the name of every sample of a scrape to its metric."""
    return {OURS + name + ending: name for name, family in families().items() for ending in ENDINGS[family.type]}


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_names_samples_and_labels_that_exist(title: str, query: str) -> None:
    """Every metric in a query exists in /metrics, with every label that the query uses."""
    names = set(re.findall(rf"\b{OURS}\w+", query))
    assert names <= samples().keys()
    assert names or re.search(r"\bprocess_(cpu_seconds_total|resident_memory_bytes)\b", query), title
    labels = {label for name in names for label in families()[samples()[name]].labels} | OF_PROMETHEUS
    asked = {label.strip() for group in re.findall(r"(?:by|ignoring) \((.*?)\)", query) for label in group.split(",")}
    asked |= set(re.findall(r"(\w+)(?:=~|!=|=)\"", query))
    assert asked <= labels
    assert query.count("(") == query.count(")") and query.count("{") == query.count("}")


def test_legends_name_labels_that_the_query_keeps() -> None:
    """A legend uses only labels by which its query groups."""
    for panel in PANELS:
        for target in panel["targets"]:
            kept = {
                label.strip() for group in re.findall(r" by \((.*?)\)", target["expr"]) for label in group.split(",")
            }
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert shown <= (kept or {"instance"}), panel["title"]


def test_every_metric_is_shown() -> None:
    """The dashboard shows every metric."""
    text = " ".join(query for _, query in QUERIES)
    shown = {metric for name, metric in samples().items() if re.search(rf"\b{name}\b", text)}
    assert shown == families().keys()


def test_panels_have_places_of_their_own() -> None:
    """No two panels overlap, and each has an id of its own."""
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    squares = [
        (x, y) for at in places for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(squares) == len(set(squares)) and max(x for x, _ in squares) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
