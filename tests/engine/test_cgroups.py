"""Control groups, with their files in ordinary directories."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from librechat_code_interpreter.engines.local.cgroups import Cgroups, Group


@pytest.fixture
def parents(tmp_path: Path) -> Iterator[tuple[Path, ...]]:
    """Make three controllers; threads switch as often as possible."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    directories = tuple(tmp_path / name for name in ("memory", "cpu", "pids"))
    for directory in directories:
        directory.mkdir()
    yield directories
    sys.setswitchinterval(usual)


def test_two_jails_made_at_once_got_one_group(parents: tuple[Path, ...]) -> None:
    """Two threads used to take the same name, and one jail could not be made."""
    groups = Cgroups(1, parents)

    def make(_: int) -> Group:
        return groups.make(1 << 20, 4)

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(make, range(400)))
    assert len({group.directories for group in made}) == 400
    assert all(len({Path(directory).name for directory in group.directories}) == 1 for group in made)


def _pays(group: Group, memory: int, kills: int = 0, members: str = "") -> None:
    Path(group.usage).write_text(f"{memory}\n")
    Path(group.events).write_text(f"under_oom 0\noom_kill {kills}\n")
    Path(group.directories[0], "cgroup.procs").write_text(members)


def test_a_group_as_good_as_new_is_used_again(parents: tuple[Path, ...]) -> None:
    """A group is reused by one jail at a time; that saves half a millisecond."""
    groups = Cgroups(1, parents)
    group = groups.make(1 << 30, 4)
    _pays(group, 300_000)
    group.release()
    assert groups.make(1 << 30, 4) is group
    assert groups.make(1 << 30, 4) is not group


@pytest.mark.parametrize(
    ("memory", "kills", "members"), [(2 << 20, 0, ""), (0, 1, ""), (0, 0, "123\n")], ids=["pays", "oom", "alive"]
)
def test_a_group_with_something_left_of_its_jail_is_not_used_again(
    parents: tuple[Path, ...], memory: int, kills: int, members: str
) -> None:
    """A group with leftover files, kills or processes is not reused."""
    groups = Cgroups(1, parents)
    group = groups.make(1 << 30, 4)
    _pays(group, memory, kills, members)
    group.release()
    assert groups.make(1 << 30, 4) is not group


def test_a_group_of_other_bounds_is_not_used_again(parents: tuple[Path, ...]) -> None:
    """A group with other limits is not reused."""
    groups = Cgroups(1, parents)
    group = groups.make(1 << 30, 4)
    _pays(group, 0)
    group.release()
    assert groups.make(1 << 20, 4).bounds == (1 << 20, 4)


def test_few_groups_wait(parents: tuple[Path, ...]) -> None:
    """After a burst of hundreds of runs, unused groups are removed."""
    groups = Cgroups(1, parents)
    many = [groups.make(1 << 30, 4) for _ in range(100)]
    for group in many:
        _pays(group, 0)
        group.release()
    known = {id(group) for group in many}
    assert sum(id(groups.make(1 << 30, 4)) in known for _ in range(100)) == 32
