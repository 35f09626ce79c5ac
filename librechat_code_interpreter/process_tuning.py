"""Settings of this process: open descriptors, freed memory, garbage collection."""

from __future__ import annotations

import ctypes
import gc
import resource

from librechat_code_interpreter.units import MiB

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MAPPED_BYTES = 4 * MiB
_KEPT_BYTES = 16 * MiB
_COLLECT_AFTER = (20_000, 20, 20)
"""Thresholds of the garbage collector's generations; Python's own are 700, 10 and 10."""


def raise_descriptor_limit() -> None:
    """Raise the descriptor limit to its maximum: each idle session holds two, each connection one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def keep_freed_memory() -> None:
    """Make the C library keep some free memory (``mallopt(3)``).

    By default it returns the pieces of a body, a quarter of a mebibyte each, to the kernel after use. Then each further
    piece costs 64 page faults: a third of an upload's time. Without this option the function does nothing.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def spare_the_collector() -> None:
    """Exclude permanent objects from Python's cyclic garbage collector, and run it less often.

    For a serving process, after all imports and startup. Otherwise each response about thousands of files makes the
    collector walk through all modules, a fifth of the response's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
