"""Wrappers of the few Linux calls that Python 3.11 does not offer (``os.unshare`` and ``os.setns`` come with 3.12)."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWCGROUP: Final = 0x02000000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

MS_RDONLY: Final = 1
MS_NOSUID: Final = 2
MS_NODEV: Final = 4
MS_NOEXEC: Final = 8
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18

_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_SECCOMP_MODE_FILTER: Final = 2
_CAPABILITY_VERSION_3: Final = 0x20080522
_MADV_DONTNEED: Final = 4
_MADV_POPULATE_WRITE: Final = 23
_MADV_COLLAPSE: Final = 25
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_LOOPBACK_UP: Final = struct.pack("16sh14x", b"lo", _IFF_UP)
"""See ``netdevice(7)``. The other flags of ``lo`` cannot be removed."""

PAGE_BYTES: Final = os.sysconf("SC_PAGESIZE")

LAST_CAPABILITY: Final = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="ascii"))
"""Read once, in the zygote: the first read in a fresh fork would cost a jail 2 ms."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]


_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Move this process into new namespaces of the given kinds."""
    _checked(_libc.unshare(ctypes.c_int(flags)), f"unshare({flags:#x})")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace of the descriptor."""
    _checked(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(kind)), f"setns({kind:#x})")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """Mount a file system, or change a mount, as the system call of that name does."""
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode() if kind else None, flags, data.encode() if data else None
    )
    _checked(result, f"mount({target})")


def prctl(option: int, argument: int = 0, second: int = 0) -> None:
    """Change a property of this process."""
    _checked(_libc.prctl(option, argument, second, 0, 0), f"prctl({option})")


def set_dumpable(dumpable: bool) -> None:
    """Set whether others of the same uid may access this process's memory (``/proc/<pid>/mem``, ptrace)."""
    prctl(_PR_SET_DUMPABLE, int(dumpable))


def copy_pages(address: int, size: int) -> None:
    """Copy pages for this process, as if each were written to. Pages that are not (or no longer) mapped are ignored."""
    _libc.madvise(address, size, _MADV_POPULATE_WRITE)


def make_huge(address: int, size: int) -> None:
    """Collapse pages into a huge page; do nothing where that is impossible."""
    _libc.madvise(address, size, _MADV_COLLAPSE)


def let_go_of(address: int, size: int) -> None:
    """Unmap pages that can be read from their file again."""
    _libc.madvise(address, size, _MADV_DONTNEED)


def drop_all_capabilities() -> None:
    """Drop every capability permanently: bounding set, ambient set, and the three sets of this process."""
    for capability in range(LAST_CAPABILITY + 1):
        prctl(_PR_CAPBSET_DROP, capability)
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _checked(_libc.capset(header, bytes(24)), "capset")


def promise_no_new_privileges() -> None:
    """Set ``no_new_privs``: executing a file can never grant privileges again."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


class Filter:
    """Seccomp filter (an array of ``struct sock_filter``) in the form that the kernel takes."""

    def __init__(self, program: bytes) -> None:
        """Build the filter once, for all jails."""
        self._filters = ctypes.create_string_buffer(program, len(program))
        self._program = _FilterProgram(len(program) // 8, ctypes.addressof(self._filters))

    def install(self) -> None:
        """Set ``no_new_privs`` and install the filter, both permanently."""
        promise_no_new_privileges()
        prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(self._program))


def bring_up_loopback() -> None:
    """Bring up ``lo`` in this network namespace, so that a program can connect to itself.

    Uses ``socket.SocketType``, written in C: the class written in Python costs a fresh fork 80 copied pages.
    """
    probe = socket.SocketType(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(probe, _SIOCSIFFLAGS, _LOOPBACK_UP)
    finally:
        probe.close()
