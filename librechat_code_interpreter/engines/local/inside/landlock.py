"""Landlock: restricts this process and its descendants to some directories, without privileges or namespaces."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Final

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_PATH_BENEATH: Final = 1
_VERSION_FLAG: Final = 1
_READ: Final = (1 << 0) | (1 << 2) | (1 << 3)  # execute, read a file, list a directory
_RIGHTS: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All file rights of each version of the interface."""

_SCOPED: Final = 3  # version 6: abstract sockets and signals only among restricted processes

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Return the kernel's version of the interface, or 0 where there is none."""
    return max(0, int(_libc.syscall(_CREATE, None, 0, _VERSION_FLAG)))


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Allow reading and executing below some paths, everything below others, nothing elsewhere. Raises ``OSError``."""
    known = version()
    rights = _RIGHTS[min(known, 5)]
    attributes = struct.pack("QQQ", rights, 0, _SCOPED if known >= 6 else 0)[: 24 if known >= 6 else 8]
    ruleset = _called(_libc.syscall(_CREATE, attributes, len(attributes), 0), "landlock_create_ruleset")
    for path in readable:
        _allow(ruleset, path, _READ)
    for path in writable:
        _allow(ruleset, path, rights)
    _called(_libc.syscall(_RESTRICT, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14) | (1 << 15)  # rights that apply to a file
    try:
        rule = struct.pack("=Qi", rights, parent)
        _called(_libc.syscall(_ADD, ruleset, _PATH_BENEATH, rule, 0), f"landlock_add_rule({path})")
    finally:
        os.close(parent)


def _called(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
