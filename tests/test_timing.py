"""However a timed call ends, it is reported once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from librechat_code_interpreter.core.timing import timed


@pytest.mark.parametrize("error", [None, ZeroDivisionError(), asyncio.CancelledError()], ids=repr)
def test_a_call_is_reported_with_its_error(error: BaseException | None) -> None:
    """The error goes on to the caller."""
    told: list[tuple[float, BaseException | None]] = []
    raised: list[BaseException] = []
    try:
        with timed(lambda *report: told.append(report)):
            if error is not None:
                raise error
    except BaseException as caught:  # noqa: BLE001  a cancellation, too
        raised.append(caught)
    ((seconds, reported),) = told
    assert seconds >= 0
    assert reported is error
    assert raised == ([] if error is None else [error])


async def test_a_stream_that_its_reader_leaves_is_reported() -> None:
    """Closing an iterator in the middle is neither a success nor forgotten."""
    told: list[type[BaseException] | None] = []

    async def stream() -> AsyncIterator[int]:
        with timed(lambda _, error: told.append(None if error is None else type(error))):
            yield 1
            yield 2

    reading = stream()
    await anext(reading)
    await reading.aclose()  # type: ignore[attr-defined]
    assert told == [GeneratorExit]
