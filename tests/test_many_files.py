"""Sessions with very many files: the work is linear in their number."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.inputs import (
    Input,
    References,
    forget_replaced,
    note_placed,
    select_inputs,
    stale_in,
)
from librechat_code_interpreter.core.outputs import Delivery, Output, note_in_record
from librechat_code_interpreter.core.paths import Occupied
from librechat_code_interpreter.core.protocols import Lease
from librechat_code_interpreter.core.session import FileRecord, Record, now

FEW, MANY = 100, 1000
MADE = now()
ROOM = 1.5
"""For what does not grow at all, and for what grows with the logarithm."""


def file_at(path: str, minutes: int = 0) -> FileRecord:
    """Describe a file made ``minutes`` after the others."""
    modified = MADE + timedelta(minutes=minutes)
    return FileRecord(id=new_id(), path=path, size=1, modified=modified, etag="", content_type="text/plain")


def path_of(number: int) -> str:
    """Name files as programs do, a hundred in a directory."""
    return f"d{number // 100}/f{number}.txt"


def record_of(count: int) -> Record:
    """Make a session with this many files."""
    files = [file_at(path_of(number)) for number in range(count)]
    return Record(id=new_id(), files={item.id: item for item in files})


def steps_of(work: Callable[[], object]) -> int:
    """Count the lines of Python that are executed."""
    lines = 0

    def count(_frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += 1
        return count

    usual = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(usual)
    return lines


def follow_up(count: int) -> Callable[[], object]:
    """Do a run's work on its session's files, with an empty sandbox."""
    record, lease = record_of(count), Lease("session", "box")

    def work() -> None:
        inputs = select_inputs(References(), record)
        forget_replaced(lease, [item.path for item in inputs.by_path.values()])
        note_placed(lease, inputs)
        forget_replaced(lease, [item.path for item in inputs.by_path.values()])
        assert stale_in(lease, record, inputs) == []

    return work


def delivering(count: int) -> Callable[[], object]:
    """Record this many new outputs in a session."""
    delivery = Delivery(outputs=[Output(file_at(path_of(number))) for number in range(count)])
    return lambda: note_in_record(Record(id=new_id()), delivery)


def overtaken(count: int) -> Callable[[], object]:
    """Record as many outputs of a run that was overtaken by another."""
    delivery = Delivery(outputs=[Output(file_at(path_of(number))) for number in range(count)])
    record = record_of(count)
    return lambda: note_in_record(record, delivery, is_overtaken=True)


@pytest.mark.parametrize("kind", [follow_up, delivering, overtaken])
def test_ten_thousand_files_made_each_run_take_sixteen_seconds(kind: Callable[[int], Callable[[], object]]) -> None:
    """Ten times as many files must be ten times the work, not a hundred times."""
    assert steps_of(kind(MANY)) < steps_of(kind(FEW)) * MANY / FEW * ROOM


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@given(st.lists(st.tuples(NAMES, st.integers(0, 3)), max_size=12))
def test_what_is_placed_is_what_a_comparison_of_all_finds(files: list[tuple[str, int]]) -> None:
    """A file is placed unless a newer one conflicts with its path; of one time the later in order wins."""
    found = [Input(name, "s", file_at(name, minutes)) for name, minutes in files]
    newest_first = sorted(range(len(files)), key=lambda index: (files[index][1], index), reverse=True)
    expected = list[int]()
    for index in newest_first:
        if not any(_conflicts(files[index][0], files[other][0]) for other in expected):
            expected.append(index)
    inputs = select_inputs(References(found))
    assert inputs.by_path == {files[index][0]: found[index] for index in expected}
    told = {name for index, (name, _) in enumerate(files) if index not in expected}
    assert {name for name in told if repr(name) not in "".join(inputs.notes)} == set()
    assert len(inputs.notes) == (1 if told else 0)


@given(st.lists(NAMES, max_size=12))
def test_what_is_in_the_way_is_what_a_comparison_of_all_finds(names: list[str]) -> None:
    """Paths conflict if they are equal or one is a directory of the other."""
    there = set(names)
    assert sorted(Occupied(there).in_the_way_of("a")) == sorted(name for name in there if _conflicts("a", name))


def _conflicts(one: str, other: str) -> bool:
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")
