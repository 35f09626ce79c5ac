"""Page pre-copying: copies ahead the memory that a run is going to write to.

A fork shares its memory with the zygote. Its first write to each page costs a fault of about 3 µs. A runner writes to
600 pages, a program to 600 to 4,900. A jail that waits for its run can copy them before, at a lower total cost. Which
pages these are is measured once, in a trial run.
"""

from __future__ import annotations

import array
import contextlib
import inspect
import json
import os
import select
import signal
import socket
import tempfile
import traceback
from collections.abc import Iterable
from typing import NoReturn

from librechat_code_interpreter.engines.local.inside import syscalls as sys_
from librechat_code_interpreter.engines.local.inside import warm_up
from librechat_code_interpreter.runner import serve

MOST_PAGES = 4608
"""Maximum for each process (18 MiB of 4 KiB pages). The service with its warm pool shall stay below 250 MiB."""

_AT_ONCE = 32
_HUGE = 2 << 20
_MOST_HUGE = 128
"""Maximum of huge pages in one mapping. A larger one is no heap but unused address space that a library reserved."""

_TELL = "\nprint(*written())\n"


class Pages:
    """Pages that the two processes of a run write to, as pairs of address and size (bytes).

    They are in arrays, because objects would have to be copied themselves.
    """

    def __init__(self, runner: bytes = b"", program: bytes = b"") -> None:
        """Unpack the pairs, as ``_ranges`` packs them."""
        self.runner_ranges = array.array("Q", runner)
        self.program_ranges = array.array("Q", program)

    def runner(self, until: int) -> None:
        """Copy the runner's pages; stop when the descriptor ``until`` has something to read."""
        _copy(self.runner_ranges, until)

    def program(self, until: int) -> None:
        """Copy the program's pages in the same way."""
        _copy(self.program_ranges, until)


def _copy(ranges: array.array[int], until: int) -> None:
    waiting = select.poll()
    waiting.register(until, select.POLLIN)
    for index in range(0, len(ranges), 2):
        if index % _AT_ONCE == 0 and waiting.poll(0):
            return
        sys_.copy_pages(ranges[index], ranges[index + 1])


def learn(source: str) -> Pages:
    """Run a program of ours in forks of this process and return the pages that they write to.

    Another fork computes the result and sends it as bytes, because computing it leaves megabytes behind. Without a
    reply, the result is empty.
    """
    ours, theirs = socket.socketpair()
    with ours:
        pid = os.fork()
        if pid == 0:
            _be_teacher(theirs, source)
        theirs.close()
        parts = [serve.read_message(ours) or b"" for _ in range(2)]
    with contextlib.suppress(ChildProcessError):  # the kernel reaps the zygote's children
        os.waitpid(pid, 0)
    return Pages(*parts)


def _be_teacher(wire: socket.socket, source: str) -> NoReturn:
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        shared = set(written(of_others_too=True))
        for pages in _rehearse(source):
            wire.sendall(serve.pack(_ranges(shared.intersection(pages))))
    except BaseException:  # noqa: BLE001  the end of this process either way; the reason belongs in the service's log
        traceback.print_exc()
    finally:
        os._exit(0)


def _rehearse(source: str) -> tuple[list[int], list[int]]:
    """Run a program in two forks, as a jail would, and return the pages that each of them then has to itself."""
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory() as directory, ours:
        if os.fork() == 0:
            _be_runner(theirs, directory)
        theirs.close()
        text = f"{source}\n{inspect.getsource(written)}{_TELL}"
        ours.sendall(warm_up.request(text, directory))
        ours.recv(len(serve.STARTED + serve.REPLY), socket.MSG_WAITALL)
        reply = json.loads(serve.read_message(ours) or b"{}")
        runner = json.loads(serve.read_message(ours) or b"[]")
    return runner, [int(word) for word in reply["stdout"].split()]


def _be_runner(wire: socket.socket, directory: str) -> NoReturn:
    try:
        serve.serve(wire, None, directory)
        wire.sendall(serve.pack(json.dumps(written()).encode()))
    finally:
        os._exit(0)


def _ranges(pages: Iterable[int]) -> bytes:
    """Join adjacent pages into ranges; return the longest first, up to ``MOST_PAGES``."""
    joined: list[list[int]] = []
    for page in sorted(pages):
        if joined and sum(joined[-1]) == page:
            joined[-1][1] += sys_.PAGE_BYTES
        else:
            joined.append([page, sys_.PAGE_BYTES])
    joined.sort(key=lambda item: -item[1])
    chosen, room = array.array("Q"), MOST_PAGES * sys_.PAGE_BYTES
    for address, size in joined:
        if room:
            chosen.extend((address, min(size, room)))
            room -= min(size, room)
    return chosen.tobytes()


def gather() -> None:
    """Move this process's memory into huge pages where the kernel can (Linux 6.1).

    A fork copies one page table entry for each instead of 512, and its exit frees as few. This saves 4 of 12 ms for the
    two processes of a run with the data stack. What a fork writes to is still copied in small pages.
    """
    for start, end in _written_to():
        first, last = -(-start // _HUGE), end // _HUGE
        for number in range(first, last if last - first <= _MOST_HUGE else first):
            sys_.make_huge(number * _HUGE, _HUGE)


def _written_to() -> Iterable[tuple[int, int]]:
    """Yield start and end of the heap's mappings: writable ones without a file."""
    with open("/proc/self/maps") as maps:
        for words in map(str.split, maps.readlines()):
            if words[1].startswith("rw") and (len(words) == 5 or words[5] == "[heap]"):
                start, end = (int(number, 16) for number in words[0].split("-"))
                yield start, end


def let_go() -> None:
    """Unmap unchanged pages of libraries: a fork does not inherit them anyway, and faults in what it needs.

    Most of them were needed only while modules were imported: 40 MiB with the data stack.
    """
    with open("/proc/self/smaps") as maps:
        address = size = 0
        for line in maps.readlines():
            words = line.split()
            if not words[0].endswith(":"):
                start, end = (int(number, 16) for number in words[0].split("-"))
                is_plain_file = words[1] in ("r--p", "r-xp") and len(words) > 5 and words[5].startswith("/")
                address, size = start, end - start if is_plain_file else 0
            elif words[0] == "Anonymous:" and words[1] == "0" and size:
                sys_.let_go_of(address, size)


def written(*, of_others_too: bool = False) -> list[int]:
    """Return the addresses of the pages that this process alone has: what it wrote since it was forked.

    With ``of_others_too``, include the pages that it shares with other processes.
    """
    import struct

    present, alone, of_file, found = 1 << 63, 1 << 56, 1 << 61, []
    with open("/proc/self/maps") as maps, open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
        for line in maps.readlines():
            span, access = line.split()[:2]
            start, end = (int(number, 16) for number in span.split("-"))
            if access[1] + access[3] != "wp":
                continue
            pagemap.seek(start // 4096 * 8)
            entries = pagemap.read((end - start) // 4096 * 8) or b""
            for index, (entry,) in enumerate(struct.iter_unpack("Q", entries)):
                if entry & present and (entry & alone or of_others_too) and not entry & of_file:
                    found.append(start + index * 4096)
    return found
