"""Work that a cancellation of its caller does not interrupt."""

from __future__ import annotations

import asyncio

import pytest

from librechat_code_interpreter.core.aio import finish


class Work:
    """Work that ends when the test says so."""

    def __init__(self) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.is_done = False
        self.undone: list[str] = []

    async def run(self) -> str:
        self.begun.set()
        await self.may_end.wait()
        self.is_done = True
        return "result"

    async def fail(self) -> str:
        await self.run()
        raise ZeroDivisionError

    async def undo(self, result: str) -> None:
        self.undone.append(result)


async def test_a_result_and_an_error_come_back() -> None:
    """Nothing is undone without a cancellation."""
    work = Work()
    work.may_end.set()
    assert await finish(work.run(), work.undo) == "result"
    assert await finish(work.run()) == "result"
    with pytest.raises(ZeroDivisionError):
        await finish(work.fail(), work.undo)
    assert work.undone == []


async def test_a_cancelled_caller_waits_for_work_without_undo() -> None:
    """However often it is cancelled: the work uses what the caller owns."""
    work = Work()
    caller = asyncio.create_task(finish(work.run()))
    await work.begun.wait()
    for _ in range(3):
        caller.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not caller.done()
    work.may_end.set()
    await asyncio.wait([caller])
    assert (caller.cancelled(), work.is_done) == (True, True)


async def test_a_cancelled_caller_leaves_and_the_work_is_undone() -> None:
    """The caller does not wait, and whoever closes can wait for the tasks that go on."""
    work = Work()
    background: set[asyncio.Future[object]] = set()
    caller = asyncio.create_task(finish(work.run(), work.undo, background))
    await work.begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    assert (caller.cancelled(), work.is_done, len(background)) == (True, False, 2)
    work.may_end.set()
    await asyncio.wait(background)
    assert work.undone == ["result"]
    await asyncio.sleep(0)
    assert background == set()


async def test_what_failed_is_not_undone() -> None:
    """There is no result, and the error of nobody's work is not logged as forgotten."""
    work = Work()
    background: set[asyncio.Future[object]] = set()
    forgotten: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: forgotten.append(context))
    caller = asyncio.create_task(finish(work.fail(), work.undo, background))
    await work.begun.wait()
    caller.cancel()
    await asyncio.wait([caller])
    work.may_end.set()
    await asyncio.wait(background)
    assert (work.undone, forgotten) == ([], [])
