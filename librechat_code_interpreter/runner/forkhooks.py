"""Deferred fork hooks: what the zygote's modules register for every fork runs once, in the program's process.

``threading`` alone resets its state in every fork. That costs 140 copied pages and half a millisecond, twice a run. The
runner does not need it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

_register = os.register_at_fork
_kept: list[dict[str, Callable[[], Any]]] = []

_RENEW_ONLY_LOCKS = frozenset({"threading", "logging", "concurrent.futures.thread"})
"""Modules whose hooks free locks of other threads; the zygote has one thread."""

_DONE_ANYWAY = frozenset({"random"})
"""Modules that ``warm_python.become_fresh`` seeds, so that nothing depends on a hook."""


def keep_back() -> None:
    """Record the hooks of all modules that are imported from now on, instead of registering them."""
    vars(os)["register_at_fork"] = _note


def _note(**hooks: Callable[[], Any]) -> None:
    _kept.append(hooks)


def give_back() -> None:
    """Run the recorded hooks in a program's process, where needed, and register all for the forks that it makes."""
    vars(os)["register_at_fork"] = _register
    for hooks in _kept:
        _register(**hooks)
        renew = hooks.get("after_in_child")
        if renew is not None and renew.__module__ not in _RENEW_ONLY_LOCKS | _DONE_ANYWAY:
            renew()
    if _kept and "threading" in sys.modules:
        sys.modules["threading"].main_thread()._set_native_id()
    _kept.clear()
