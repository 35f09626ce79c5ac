"""Ages are counted by a clock that may be set."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.core import clock
from librechat_code_interpreter.core.clock import Clock

DAY_SECONDS = 86400.0


class Machine:
    """The machine's clock: what passes, and what somebody sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running, self.time = 1000.0, 1.8e9
        monkeypatch.setattr(clock, "running_seconds", lambda: self.running)
        monkeypatch.setattr("time.time", lambda: self.time)

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.running += seconds
        self.time += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def is_old(used_at: float, clock: Clock) -> bool:
    return used_at < clock.ago(7 * DAY_SECONDS)


def test_what_is_not_used_grows_old(machine: Machine) -> None:
    """A session expires after its time, and no sooner."""
    watch, used_at = Clock(), machine.time
    machine.passes(6 * DAY_SECONDS)
    assert not is_old(used_at, watch)
    machine.passes(2 * DAY_SECONDS)
    assert is_old(used_at, watch)


@pytest.mark.parametrize("steps", [[400.0], [-400.0], [400.0, -400.0], [-400.0, 1130.0], [-400.0, 400.0, 730.0]])
def test_nothing_grows_old_by_a_clock_that_is_set(machine: Machine, steps: list[float]) -> None:
    """A clock set forward or back expires no session early; after a whole lifetime on the new clock it is old."""
    watch, dates = Clock(), [machine.time]
    for days in steps:
        machine.passes(60)
        machine.time += days * DAY_SECONDS
        dates.append(machine.time)
        assert not any(is_old(used_at, watch) for used_at in dates)
    machine.passes(8 * DAY_SECONDS)
    assert all(is_old(used_at, watch) for used_at in dates if used_at < machine.time - 8 * DAY_SECONDS)


def test_a_clock_that_is_kept_right_is_not_set(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    """A step of some seconds changes nothing and is not logged."""
    watch = Clock()
    machine.time += 3
    assert watch.ago(60) == machine.time - 60
    assert caplog.text == ""
