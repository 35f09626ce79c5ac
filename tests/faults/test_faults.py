"""Every fault once or twice; ``make faults`` repeats them often enough for a reliable result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS, KILLS
from tests.faults.count import Count
from tests.faults.kills import kill

FEW_KILLS = 10
RELIABILITY = Path(__file__).parents[2] / "docs" / "reliability.md"


async def test_a_killed_service_loses_nothing(place: Path) -> None:
    """Killed at random moments and restarted, the service has every file, and the next run works."""
    for count in await kill(place / "kill", FEW_KILLS):
        assert count.complaints() == []


AS_ROOT = ("store-full", "store-read-only", "zygote-out-of-memory")
"""Nobody else may mount a small disk, or starve a process."""


@pytest.mark.parametrize("name", FAULTS)
async def test_no_fault_loses_a_file_or_leaves_anything(name: str, place: Path) -> None:
    """What was acknowledged is listed and whole, nothing truncated is visible, and all resources are freed."""
    if name in AS_ROOT and os.geteuid() != 0:
        pytest.skip("only root can bring this about")
    fault, _ = FAULTS[name]
    count = await fault(place / name, 1)
    assert count.complaints() == []


def test_a_loss_is_noticed() -> None:
    """A row with a file missing, something left over, or no fault at all fails."""
    assert Count("a", 1, 2, 2).complaints() == []
    for bad in (Count("a", 1, 2, 1), Count("a", 1, left=["a process"]), Count("a")):
        assert bad.complaints() != []


def test_the_documents_tell_of_a_full_run() -> None:
    """`docs/reliability.md` has the table of the full `make faults`, with nothing lost or left."""
    text = RELIABILITY.read_text(encoding="utf-8")
    table = text.partition("| fault |")[2].partition("<!--")[0]
    rows = [line.split(" | ") for line in table.splitlines()[2:] if line]
    assert len(rows) == len(FAULTS) + 6
    assert sum(int(row[1]) for row in rows if row[0].startswith("| service killed")) == KILLS
    assert all(row[2] == row[3] and row[4] == "nothing |" for row in rows)
