"""The list of LibreChat's own faults names scenarios that there are, and each at most once for a release."""

from __future__ import annotations

import itertools

import pytest

from tests.librechat.faults import Fault, compensated_faults, known_faults, sort_key
from tests.librechat.scenarios import SCENARIOS

RELEASES = (
    *("v0.7.6", "v0.7.7", "v0.7.8", "v0.7.9", "v0.8.0", "v0.8.1", "v0.8.2", "v0.8.3", "v0.8.4", "v0.8.5"),
    *("v0.8.6-rc1", "v0.8.6", "v0.8.7-rc1", "v0.8.7", "v0.8.8-rc1", "main"),
)


def test_releases_are_ordered_by_age() -> None:
    """A candidate comes before its release, and a commit without a tag after all releases."""
    keys = [sort_key(release) for release in RELEASES]
    assert keys == sorted(set(keys))


def test_every_fault_names_known_scenarios() -> None:
    """A fault that names no scenario, or one that is gone, would never show."""
    names = {scenario.name for scenario in SCENARIOS}
    assert [fault for fault in known_faults() if not fault.scenarios or not set(fault.scenarios) <= names] == []


@pytest.mark.parametrize("release", RELEASES)
def test_no_two_faults_explain_one_scenario(release: str) -> None:
    """What is to be expected of a scenario in a release is said once."""
    covering = [fault for fault in known_faults() if fault.covers(release)]
    assert [pair for pair in itertools.combinations(covering, 2) if _shared(*pair)] == []


def test_every_fault_is_explained() -> None:
    """Each entry says in full sentences what LibreChat does and what comes of it."""
    texts = [text for fault in (*known_faults(), *compensated_faults()) for text in (fault.behavior, fault.handling)]
    assert [text for text in texts if not text.endswith(".")] == []


def _shared(one: Fault, other: Fault) -> set[str]:
    return set(one.scenarios) & set(other.scenarios)
