"""Keep back what modules of the zygote want done at every fork, and let the program's process do it once.

``threading`` alone renews its books in every fork: 140 copied pages and half a millisecond, twice a run. The runner
needs none of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

_register = os.register_at_fork
_kept: list[dict[str, Callable[[], Any]]] = []

_RENEW_ONLY_LOCKS = frozenset({"threading", "logging", "concurrent.futures.thread"})
"""Their hooks free locks that another thread held, and the zygote has one thread."""

_DONE_ANYWAY = frozenset({"random"})
"""``warm_python.become_fresh`` seeds it, so that nothing depends on a hook."""


def keep_back() -> None:
    """Note the hooks of all modules that are imported from now on, instead of having them run."""
    vars(os)["register_at_fork"] = _note


def _note(**hooks: Callable[[], Any]) -> None:
    _kept.append(hooks)


def give_back() -> None:
    """Do in a program's process what the hooks would have done, and register them for the forks that it makes."""
    vars(os)["register_at_fork"] = _register
    for hooks in _kept:
        _register(**hooks)
        renew = hooks.get("after_in_child")
        if renew is not None and renew.__module__ not in _RENEW_ONLY_LOCKS | _DONE_ANYWAY:
            renew()
    if _kept and "threading" in sys.modules:
        sys.modules["threading"].main_thread()._set_native_id()
    _kept.clear()
