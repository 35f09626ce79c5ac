"""Set up this process: what it may open, and what it keeps of memory."""

from __future__ import annotations

import ctypes
import gc
import resource

from app.units import MiB

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MAPPED_BYTES = 4 * MiB
_KEPT_BYTES = 16 * MiB
_COLLECT_AFTER = (20_000, 20, 20)
"""New objects, and younger collections, before one looks at them; Python's own numbers are 700, 10 and 10."""


def raise_descriptor_limit() -> None:
    """Allow as many descriptors as we may: each idle session holds two, each connection one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def keep_freed_memory() -> None:
    """Let the C library keep some free memory (``mallopt(3)``).

    By default it gives the pieces of a body, a quarter of a mebibyte each, back to the kernel as they are done with,
    and every further piece is 64 page faults: a third of an upload's time. Where there is no such option, nothing is
    done.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def spare_the_collector() -> None:
    """Let Python's collector of cycles pass over what is there for good, and look less often.

    For a process that serves, once everything is imported and made: else each answer about thousands of files has it
    walk through all modules, a fifth of such an answer's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
