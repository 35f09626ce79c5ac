"""The statements of docs/scaling.md follow from its figures, and the simulation agrees with queueing theory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.scale import model, page
from bench.scale.model import Limits, Users
from bench.scale.queueing import erlang_c
from bench.scale.report import checked
from bench.scale.simulate import Simulation, Times
from bench.service import ROOT


@pytest.fixture
def found() -> dict[str, Any]:
    """The recorded run from which the page is written."""
    run: dict[str, Any] = json.loads((ROOT / "docs" / "scaling.json").read_text())
    return run


def test_the_page_is_what_the_command_writes(found: dict[str, Any]) -> None:
    """docs/scaling.md is generated from the recorded run."""
    assert (ROOT / "docs" / "scaling.md").read_text() == page.text_of(found)


def test_a_later_run_costs_one_call(found: dict[str, Any]) -> None:
    """The recorded run has one call to Daytona for each run."""
    assert found["costs"]["plain"]["daytona_calls"] == pytest.approx(1, abs=0.1)


def test_the_formula_is_the_known_one() -> None:
    """Erlang C for one server is the textbook's M/M/1, and for two its own closed form."""
    assert erlang_c(0.5, 1.0, 1) == pytest.approx(1.0)
    assert erlang_c(1.0, 1.0, 2) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="more work"):
        erlang_c(2.0, 1.0, 2)


def test_the_simulation_waits_as_long_as_the_formula() -> None:
    """With one replica its mean wait is Erlang's within a tenth; distributing runs in turn shortens it."""
    one, ten = checked(1, 2000), checked(10, 2000)
    assert one["simulated_mean_wait_ms"] == pytest.approx(one["formula_mean_wait_ms"], rel=0.1)
    assert ten["simulated_mean_wait_ms"] < ten["formula_mean_wait_ms"]


def test_little_s_law_holds_for_sandboxes() -> None:
    """The simulation's peak of live sandboxes is near the calculated average."""
    users, limits = Users(500), Limits(replicas=2, sandboxes=100_000, idle_seconds=300)
    seen = Simulation(users, limits, Times(0.01, 0.001, 0.1, 0.3)).run(1200, 900)
    assert seen["most_sandboxes"] == pytest.approx(users.live_sandboxes(300), rel=0.15)


def test_at_the_limit_sandboxes_give_way_and_nobody_is_refused() -> None:
    """Too few sandboxes cause new sandboxes, not failed answers."""
    users = Users(500)
    seen = Simulation(users, Limits(sandboxes=100), Times(0.001, 0.001, 0.1, 0.3)).run(600, 300)
    assert seen["evicted"] > 0
    assert seen["refused_share"] == 0
    assert seen["most_sandboxes"] == 100


def test_what_gives_way_is_full_at_the_number_told(found: dict[str, Any]) -> None:
    """With that many users exactly this part is fully used."""
    name, most = model.first_to_give_way(found["costs"], Users(1000), Limits())
    shares = model.use(found["costs"], Users(most), Limits())
    assert max(shares.values()) == shares[name] == pytest.approx(1, rel=0.01)
