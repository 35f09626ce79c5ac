"""Signals to all descendants of the runner: kill and wait, stop, continue."""

from __future__ import annotations

import os
import signal
import time

_SWEEP_SECONDS = 5.0


def kill_all() -> None:
    """Kill all descendants and wait until they are gone.

    As pid 1, one signal reaches them all. Elsewhere, scan until none is left, for ``_SWEEP_SECONDS`` at most.
    """
    if os.getpid() == 1:
        _signal_everybody(signal.SIGKILL)
        _reap_until_none()
        return
    deadline = time.monotonic() + _SWEEP_SECONDS
    while time.monotonic() < deadline:
        left = descendants(os.getpid())
        for pid in left:
            _signal(pid, signal.SIGKILL)
        _reap_dead()
        if not left:
            return


def stop_all() -> None:
    """Stop all descendants, so that none computes during a pause, when no time limit counts.

    As pid 1, one signal reaches them all. Elsewhere, scan until no new one is found, for ``_SWEEP_SECONDS`` at most.
    """
    if os.getpid() == 1:
        _signal_everybody(signal.SIGSTOP)
        return
    stopped: set[int] = set()
    deadline = time.monotonic() + _SWEEP_SECONDS
    while (new := set(descendants(os.getpid())) - stopped) and time.monotonic() < deadline:
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        stopped |= new


def continue_all() -> None:
    """Continue all stopped descendants."""
    if os.getpid() == 1:
        _signal_everybody(signal.SIGCONT)
        return
    for pid in descendants(os.getpid()):
        _signal(pid, signal.SIGCONT)


def _signal_everybody(number: signal.Signals) -> None:
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        return


def _reap_until_none() -> None:
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _reap_dead() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def descendants(root: int) -> list[int]:
    """Return the pids of all descendants, from one pass over ``/proc``; zombies count until they are reaped."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            children.setdefault(_parent_of(name), []).append(int(name))
    found, pending = [], [root]
    while pending:
        mine = children.get(pending.pop(), [])
        found += mine
        pending += mine
    return found


def _parent_of(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return -1
