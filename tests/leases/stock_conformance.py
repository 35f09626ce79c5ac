"""Conformance suite of every warm pool store. A subclass gives the fixture ``stock``."""

from __future__ import annotations

import asyncio

from librechat_code_interpreter.core.protocols import SharedPool

PLENTY_SECONDS = 60.0


async def put(stock: SharedPool, *sandboxes: str, most: int = 10) -> None:
    """Put spares in, one after another."""
    for sandbox in sandboxes:
        ticket = await stock.reserve(most, PLENTY_SECONDS)
        assert ticket is not None
        assert await stock.fill(ticket, sandbox)
        await asyncio.sleep(0.002)  # the order is by milliseconds


class StockConformance:
    """Run these tests on any kind of stock."""

    async def test_an_empty_stock_gives_nothing(self, stock: SharedPool) -> None:
        """An empty pool returns neither a spare nor a name."""
        assert await stock.claim() is None
        assert await stock.claim({"a"}) is None
        assert await stock.kept() == set()
        assert not await stock.withdraw("a")

    async def test_the_newest_is_claimed_first_and_the_preferred_before_it(self, stock: SharedPool) -> None:
        """Each spare is taken exactly once."""
        await put(stock, "a", "b", "c", "d")
        assert await stock.claim() == "d"
        assert await stock.claim({"a", "of another"}) == "a"
        assert await stock.claim({"a"}) == "c"
        assert await stock.claim() == "b"
        assert await stock.claim() is None

    async def test_many_claims_at_once_get_different_ones(self, stock: SharedPool) -> None:
        """Of twenty that ask for twelve spares, no two get the same."""
        spares = {f"s{number}" for number in range(12)}
        await put(stock, *spares, most=12)
        claimed = await asyncio.gather(*(stock.claim(spares) for _ in range(20)))
        assert sorted(spare for spare in claimed if spare) == sorted(spares)

    async def test_no_more_tickets_than_places(self, stock: SharedPool) -> None:
        """Spares and sandboxes in creation count together, however many ask at once."""
        await put(stock, "a", most=3)
        tickets = [ticket for ticket in await asyncio.gather(*(stock.reserve(3, 60) for _ in range(9))) if ticket]
        assert len(set(tickets)) == 2
        assert await stock.fill(tickets[0], "b")
        assert not await stock.fill(tickets[1], None), "given up"
        assert await stock.reserve(2, 60) is None
        assert await stock.reserve(3, 60) is not None

    async def test_a_ticket_is_good_for_one_spare_and_for_its_time(self, stock: SharedPool) -> None:
        """The place of a dead maker is free again; its late sandbox is no spare."""
        ticket = await stock.reserve(1, 0.02)
        assert ticket is not None
        await asyncio.sleep(0.05)
        other = await stock.reserve(1, PLENTY_SECONDS)
        assert other is not None
        assert not await stock.fill(ticket, "late")
        assert await stock.fill(other, "a")
        assert not await stock.fill(other, "b")
        assert await stock.kept() == {"a"}

    async def test_a_withdrawn_spare_is_gone(self, stock: SharedPool) -> None:
        """Only one remover succeeds, and the spare is no longer claimed."""
        await put(stock, "a", "b")
        assert [await stock.withdraw("b"), await stock.withdraw("b")] == [True, False]
        assert [await stock.claim(), await stock.claim()] == ["a", None]
        assert not await stock.withdraw("a"), "it is claimed"

    async def test_spares_and_what_is_claimed_or_guarded_are_kept_from_the_sweep(self, stock: SharedPool) -> None:
        """A claimed sandbox is guarded until its lease exists."""
        await put(stock, "a", "b")
        await stock.guard("readiness")
        await stock.claim()
        assert await stock.kept() == {"a", "b", "readiness"}
