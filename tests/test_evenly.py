"""The time of a refusal tells nothing about what was found before it (K9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest
from obstore.store import MemoryStore

from app.core import evenly
from app.core.errors import BadRequest, NotFound
from app.core.files import Files
from app.core.ids import new_id
from app.core.principal import Principal
from app.core.session import Record, Scope
from app.stores.objects import ObjectFiles

BOB = Principal("jwt", tenant="acme", user="bob")
FOREIGN = Record(id=new_id(), scope=Scope(kind="user", tenant="acme", owner="alice"))


class Clock:
    """Stand for the event loop's clock; to sleep moves it on. For that module alone: other tasks sleep, too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("app.core.evenly.time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr("app.core.evenly.asyncio", SimpleNamespace(sleep=self._sleep))
        monkeypatch.setattr("app.core.evenly.random", SimpleNamespace(random=lambda: 0.0))

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("took", "seen"), [(0.0002, 0.01), (0.0006, 0.01), (0.009, 0.01), (0.013, 0.02)])
async def test_a_refusal_comes_at_whole_ticks(monkeypatch: pytest.MonkeyPatch, took: float, seen: float) -> None:
    """Whatever was done before it, up to the next tick, takes the same time."""
    clock = Clock(monkeypatch)
    with pytest.raises(NotFound):
        async with evenly.evenly_refused():
            clock.now += took
            raise NotFound("no")
    assert clock.now - 100.0 == pytest.approx(seen)


async def test_nothing_else_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there, and what is wrong in another way, is answered at once."""
    clock = Clock(monkeypatch)
    async with evenly.evenly_refused():
        pass
    with pytest.raises(BadRequest):
        async with evenly.evenly_refused():
            raise BadRequest("wrong")
    assert clock.now == 100.0


ASKED: dict[str, Callable[[Files, str], Awaitable[object]]] = {
    "list": lambda files, session: files.session(BOB, session),
    "probe": lambda files, session: files.find(BOB, session, new_id()),
    "delete": lambda files, session: files.delete(BOB, session, new_id()),
    "upload": lambda files, session: files.begin(BOB, session),
}


@pytest.mark.parametrize("session", [FOREIGN.id, new_id.__name__], ids=["foreign", "absent"])
@pytest.mark.parametrize("verb", ASKED)
async def test_a_foreign_session_was_refused_later_than_an_absent_one(
    monkeypatch: pytest.MonkeyPatch, verb: str, session: str
) -> None:
    """Each way to ask for a session refuses both at the first tick; to read a record takes longer than to find none."""
    store = ObjectFiles(MemoryStore())
    await store.create(FOREIGN)
    clock, load = Clock(monkeypatch), store.load

    async def slowly(session_id: str) -> Record | None:
        record = await load(session_id)
        clock.now += 0.0004 if record else 0.0001
        return record

    monkeypatch.setattr(store, "load", slowly)
    with pytest.raises(NotFound):
        await ASKED[verb](Files(store, 1), session)
    assert clock.now - 100.0 == pytest.approx(evenly.TICK_SECONDS)
