"""Kill everything that a program left behind, and wait until it is gone."""

from __future__ import annotations

import os
import signal
import time

_SWEEP_SECONDS = 5.0


def kill_all() -> None:
    """Kill all descendants. As pid 1 one signal reaches them all; elsewhere sweep until none is left (bounded)."""
    if os.getpid() == 1:
        _signal_everybody()
        _reap_until_none()
        return
    deadline = time.monotonic() + _SWEEP_SECONDS
    while time.monotonic() < deadline:
        left = descendants(os.getpid())
        for pid in left:
            _kill(pid)
        _reap_dead()
        if not left:
            return


def _signal_everybody() -> None:
    try:
        os.kill(-1, signal.SIGKILL)
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


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def descendants(root: int) -> list[int]:
    """Walk ``/proc`` once; zombies count until they are reaped."""
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
