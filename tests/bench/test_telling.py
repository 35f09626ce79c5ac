"""The report of a run is complete: targets, table, document, chart."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import document, table, verdicts
from bench.service import ROOT, RUNTIME
from bench.verdicts import TARGETS, Target

DOCS = ROOT / "docs"


@pytest.fixture
def run() -> dict[str, Any]:
    """The recorded run from which the document is written."""
    found: dict[str, Any] = json.loads((DOCS / "performance.json").read_text())
    return found


def test_the_document_is_what_the_command_writes(run: dict[str, Any]) -> None:
    """docs/performance.md is generated from the recorded run."""
    assert (DOCS / "performance.md").read_text() == document.text_of(run)


def test_a_busy_machine_is_said_to_be_busy(run: dict[str, Any]) -> None:
    """Figures measured beside other work are marked; those of a quiet machine are not."""
    run["noise"] |= {"spin_p95_over_p50": 1.1, "load_at_start": 0.2}
    assert "busy with other work" not in document.text_of(run)
    run["noise"]["spin_p95_over_p50"] = 2.0
    assert "busy with other work" in document.text_of(run)


def test_every_target_was_measured(run: dict[str, Any]) -> None:
    """The recorded run leaves no target unmeasured, and its verdicts follow from its own figures."""
    assert [item["name"] for item in run["targets"] if item["met"] is None] == []
    assert verdicts.judge(run) == run["targets"]


def test_a_missed_target_is_said_to_be_missed(run: dict[str, Any]) -> None:
    """A service ten times as slow misses the targets that contain its times."""
    for row in run["rows"]:
        if row["contender"] == "service" and "p50" in row:
            row["p50"] *= 10
    missed = {item["name"] for item in verdicts.judge(run) if item["met"] is False}
    assert {target.name for target in TARGETS[2:7]} <= missed
    run["targets"] = verdicts.judge(run)
    assert sum("NOT MET" in line for line in table.targets_of(run)) == len(missed)


def test_a_figure_that_is_not_there_is_neither_met_nor_missed(run: dict[str, Any]) -> None:
    """A figure that could not be measured is reported with its reason, and gets no verdict."""
    run["measured"]["daytona"] = {"error": "RuntimeError: the emulator did not start"}
    assert [item["met"] for item in verdicts.judge(run)[-2:]] == [None, None]
    assert list(table.errors_of(run)) == ["daytona: RuntimeError: the emulator did not start"]


@pytest.mark.parametrize(
    ("at_least", "got", "met"), [(False, 1.0, True), (False, 1.1, False), (True, 1.0, True), (True, 0.9, False)]
)
def test_a_bound_is_met_from_the_right_side(at_least: bool, got: float, met: bool) -> None:
    """A figure at the bound meets it; which side misses depends on the target."""
    assert Target("x", lambda _: got, 1.0, at_least=at_least).judge({})["met"] is met


def test_the_table_holds_every_contender(run: dict[str, Any]) -> None:
    """A contender that could not run a case has a line with the reason."""
    run["rows"][0] |= {"cannot": "it has no such language", "p50": None}
    lines = list(table.rows_of(run))
    assert len(lines) == 1 + len(run["rows"]) + len(list(table.squares(run)))
    assert any("it has no such language" in line for line in lines)


def test_the_chart_is_drawn(tmp_path: Path) -> None:
    """The recorded run makes a chart with a panel for each program."""
    chart = tmp_path / "chart.svg"
    python = str(RUNTIME / "bin" / "python3")
    subprocess.run([python, "-m", "bench.chart", DOCS / "performance.json", chart], cwd=ROOT, check=True)
    assert chart.read_text().count('id="axes_') == 6
