"""Find the local engine's processes as the host sees them, to kill them and to see that they are gone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from librechat_code_interpreter.engines.local.engine import LocalEngine


def descendants(root: int) -> set[int]:
    """Give the processes below one, the dead that nobody has waited for left out."""
    below: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            below.setdefault(int(parent), []).append(int(path.name))
    found, pending = set(), [root]
    while pending:
        children = below.get(pending.pop(), [])
        found.update(children)
        pending += children
    return found


def outer_pid(engine: LocalEngine) -> int:
    """Give the process that the engine started, bubblewrap; all others are below it."""
    pid = engine.stats().zygote_pid
    assert pid is not None
    return pid


def depth(pid: int) -> int:
    """Count the pid namespaces that a process is in, from ours on: 2 for a zygote, 3 in a jail, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((len(line.split()) - 1 for line in lines if line.startswith("NSpid:")), 0)


def zygotes(engine: LocalEngine) -> list[int]:
    """Give the zygotes, the bare one first: the loaded one is its child."""
    found = [pid for pid in descendants(outer_pid(engine)) if depth(pid) == 2 and _is_python(pid)]
    return sorted(found, key=lambda pid: parent(pid) in found)


def _is_python(pid: int) -> bool:
    """Tell the zygotes from bubblewrap's own first process, which bears their command line too."""
    return "python" in Path(f"/proc/{pid}/comm").read_text()


def parent(pid: int) -> int:
    """Give a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a dead one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def called(name: str, engine: LocalEngine) -> int | None:
    """Find a program by a word of its command line."""
    for pid in descendants(outer_pid(engine)):
        try:
            if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        except OSError:
            continue
    return None


def kill(pid: int) -> None:
    """Kill one process, that of the number given and no other."""
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)


def descriptors() -> list[str]:
    """Say what each descriptor of this process is, to compare two moments."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}").split(":")[0])
        except OSError:  # the listing's own
            continue
    return sorted(found)
