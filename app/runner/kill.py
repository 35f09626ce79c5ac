"""Kill everything that a program left behind, and wait until it is gone."""

from __future__ import annotations

import os
import signal
import time

_SWEEP_SECONDS = 5.0


def kill_all() -> None:
    """Kill all descendants. As pid 1 one signal reaches them all; elsewhere sweep until none is left (bounded)."""
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
    """Stop all descendants: one that waits for others shall not compute meanwhile, where no time limit counts.

    As pid 1 one signal reaches them all; elsewhere look again until nobody new is found (bounded).
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
    """Let all descendants go on."""
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
