"""Control groups, their files in ordinary directories."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.engines.local.cgroups import Cgroups, Group


@pytest.fixture
def parents(tmp_path: Path) -> Iterator[tuple[Path, ...]]:
    """Make three controllers; threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    directories = tuple(tmp_path / name for name in ("memory", "cpu", "pids"))
    for directory in directories:
        directory.mkdir()
    yield directories
    sys.setswitchinterval(usual)


def test_two_jails_made_at_once_got_one_group(parents: tuple[Path, ...]) -> None:
    """Two threads that counted at one moment used to take the same name: one jail could not be made."""
    groups = Cgroups(1, parents)

    def make(_: int) -> Group:
        return groups.make(1 << 20, 4)

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(make, range(400)))
    assert len({group.directories for group in made}) == 400
    assert all(len({Path(directory).name for directory in group.directories}) == 1 for group in made)
