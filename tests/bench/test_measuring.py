"""The benchmark measures calls, failures, processor time and percentiles correctly."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench import matrix
from bench.contenders import Place
from bench.crew import Member, Result, member, opening
from bench.measure import Failed, Refused, Sample, percentile, sample
from bench.noise import Noise
from bench.plan import Level
from bench.service import RUNTIME, bwrap_program, running
from bench.usage import Account, account

PLACE = Place(str(RUNTIME), str(bwrap_program()))
NOBODY = Account(None)
SPIN_SECONDS = 0.3


def test_calls_are_made_at_once() -> None:
    """All callers have a call in flight at the same time: the programs wait for each other."""
    together = threading.Barrier(8, timeout=60)

    def call(_: int) -> None:
        together.wait()

    taken = sample(call, 16, 8, 60)
    assert len(taken.times) == 16


def test_failures_are_counted_by_kind_and_have_no_time() -> None:
    """Refusals and failures are counted separately, and neither improves the median."""
    outcomes = iter([None, Refused(), Failed("broken"), None, Refused()])

    def call(_: int) -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    taken = sample(call, 5, 1, 60)
    assert len(taken.times) == 2
    assert taken.failures == {"429": 2, "Failed: broken": 1}


def test_whatever_a_rival_raises_is_a_failure() -> None:
    """An unexpected exception ends no thread silently."""

    def call(_: int) -> None:
        raise LookupError("odd")

    assert sample(call, 2, 1, 60).failures == {"LookupError: odd": 2}


def test_no_call_begins_after_the_cap() -> None:
    """A slow contender stops at its time limit."""
    assert len(sample(lambda _: time.sleep(0.02), 1000, 1, 0.05).times) < 10


def test_a_sample_survives_the_pipe() -> None:
    """The orchestrator adds up what a worker sends."""
    first, second = Sample([1.0]), Sample([2.0], elapsed=1.5)
    second.failures["429"] += 3
    first.add(Sample.from_json(json.loads(json.dumps(second.to_json()))))
    assert (first.times, first.failures, first.elapsed) == ([1.0, 2.0], {"429": 3}, 1.5)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 51.0), (0.95, 96.0), (0.99, 100.0), (1.0, 100.0)])
def test_percentiles_are_times_that_were_taken(share: float, expected: float) -> None:
    """Percentiles are by nearest rank, whatever the order."""
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected


def test_processor_time_of_children_that_ended_counts() -> None:
    """The processor time of a grandchild that has ended is counted."""
    burn = f"import time; end = time.process_time() + {SPIN_SECONDS}\nwhile time.process_time() < end: pass"
    with account("test") as group:
        before = group.cpu_seconds()
        subprocess.run(group.into(["sh", "-c", '"$0" -c "$1"; true', sys.executable, burn]), check=True)
        assert group.cpu_seconds() - before >= SPIN_SECONDS * 0.9
    assert group.directory is None or not group.directory.exists()


@pytest.mark.parametrize("name", ["bare", "bwrap"])
@pytest.mark.parametrize("case", ["print", "bash", "ts"])
def test_bare_contenders_run_the_program(name: str, case: str) -> None:
    """Each bare contender runs the case in a process of its own."""
    result = Result()
    with member(name, PLACE, NOBODY) as worker:
        worker.tell("open", **opening(PLACE, case, 2))
        worker.sample(result, 4, 30)
    assert (len(result.sample.times), result.sample.failures) == (4, {})


def test_a_wrong_answer_is_a_failure(tmp_path: Path) -> None:
    """A contender whose program prints something else counts as failed."""
    python = tmp_path / "bin" / "python3"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho 5\n")
    python.chmod(0o755)
    broken, result = replace(PLACE, runtime=str(tmp_path)), Result()
    with member("bare", broken, NOBODY) as worker:
        worker.tell("open", **opening(broken, "print", 1))
        worker.sample(result, 1, 30)
    assert (len(result.sample.times), sum(result.sample.failures.values())) == (0, 1)


def test_the_service_is_asked_over_http_and_pays_for_its_work() -> None:
    """The service's row has its own processor time and memory, not its client's."""
    result = Result()
    with running("test-service", ("bench.scripted",)) as service:
        with member("service", service.place, service.account) as worker:
            worker.tell("open", **opening(service.place, "print", 2))
            worker.sample(result, 20, 30, weigh=True)
        assert (len(result.sample.times), result.sample.failures) == (20, {})
        if service.account.directory is not None:
            assert result.cpu_seconds > 0
            assert result.memory_bytes > 1 << 20


class _Recorder(Member):
    """Record the order of turns."""

    def __init__(self, name: str, turns: list[str]) -> None:
        self.name, self.turns = name, turns

    def sample(self, into: Result, count: int, cap_seconds: float, *, weigh: bool = False) -> None:
        self.turns.append(self.name)


def test_contenders_take_turns_and_another_one_begins_each_round() -> None:
    """No contender is always first, or always after the same other one."""
    turns: list[str] = []
    results = {("print", 1, name): Result() for name in "abc"}
    matrix.take_turns(Level(1, 3, 1, 1), "print", {name: _Recorder(name, turns) for name in "abc"}, results, Noise())
    assert "".join(turns) == "abcbcacab"
