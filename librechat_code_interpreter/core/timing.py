"""Duration and outcome of calls to other services."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def timed(report: Callable[[float, BaseException | None], None]) -> Iterator[None]:
    """Pass the seconds that the block took to ``report``, and the exception that ended it, if any."""
    began = time.perf_counter()
    try:
        yield
    except BaseException as error:
        report(time.perf_counter() - began, error)
        raise
    report(time.perf_counter() - began, None)
