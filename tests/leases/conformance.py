"""Conformance suite of every lease store. A subclass gives the fixture ``leases``."""

from __future__ import annotations

import asyncio

import pytest

from librechat_code_interpreter.core.errors import Busy, LeasesUnavailable
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.protocols import Lease, Leases, SessionLock

PLENTY_SECONDS = 60.0
"""A wait that ends by the event waited for, never by itself."""


class LeasesConformance:
    """Run these tests on any kind of leases."""

    async def test_a_held_session_is_busy(self, leases: Leases) -> None:
        """A second lock raises Busy: at once with 0, and after the timeout."""
        session = new_id()
        async with leases.hold(session, 0):
            for wait_seconds in (0, 0.05):
                with pytest.raises(Busy):
                    async with leases.hold(session, wait_seconds):
                        pass

    async def test_sessions_are_held_apart(self, leases: Leases) -> None:
        """Locks of different sessions are independent."""
        async with leases.hold(new_id(), 0), leases.hold(new_id(), 0):
            pass

    async def test_who_waits_gets_the_session_when_it_is_free(self, leases: Leases) -> None:
        """A waiter gets the lock when the holder releases it, also after an error."""
        session, order = new_id(), []

        async def wait() -> None:
            async with leases.hold(session, PLENTY_SECONDS):
                order.append("second")

        with pytest.raises(ZeroDivisionError):
            async with leases.hold(session, 0):
                waiting = asyncio.create_task(wait())
                await asyncio.sleep(0)
                order.append("first")
                raise ZeroDivisionError
        await waiting
        assert order == ["first", "second"]

    async def test_one_at_a_time(self, leases: Leases) -> None:
        """Of twenty waiters for one session, each gets the lock, and never two at once."""
        session, inside, most, holds = new_id(), 0, 0, 0

        async def work() -> None:
            nonlocal inside, most, holds
            async with leases.hold(session, PLENTY_SECONDS):
                inside += 1
                most = max(most, inside)
                holds += 1
                await asyncio.sleep(0.001)
                inside -= 1

        await asyncio.gather(*(work() for _ in range(20)))
        assert (most, holds) == (1, 20)

    async def test_a_cancelled_holder_and_a_cancelled_waiter_leave_the_session_free(self, leases: Leases) -> None:
        """Cancelling releases an acquired lock, and one that was about to be acquired."""
        session, entered = new_id(), asyncio.Event()

        async def stay() -> None:
            async with leases.hold(session, PLENTY_SECONDS):
                entered.set()
                await asyncio.Event().wait()

        holder = asyncio.create_task(stay())
        await entered.wait()
        waiter = asyncio.create_task(stay())
        await asyncio.sleep(0)
        for task in (waiter, holder):
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
        async with leases.hold(session, PLENTY_SECONDS):
            pass

    async def test_a_lease_is_found_with_the_next_hold(self, leases: Leases) -> None:
        """The lock comes with what was saved last: sandbox, staged files and time of use."""
        session = new_id()
        async with leases.hold(session, 0) as hold:
            assert hold.lease is None
            await leases.keep(hold, Lease(session, "first"))
            await leases.keep(hold, Lease(session, "box", {"a b/ü.txt": "some/file"}))
            assert _sandbox(hold) == "box"
        async with leases.hold(session, 0) as hold:
            assert hold.lease is not None
            assert (hold.lease.session_id, hold.lease.sandbox_id) == (session, "box")
            assert hold.lease.staged == {"a b/ü.txt": "some/file"}
            assert hold.lease.used_at > 0

    async def test_a_dropped_lease_is_gone(self, leases: Leases) -> None:
        """A dropped lease is gone for this lock, for the next one, and for the list; dropping nothing is fine."""
        session = new_id()
        async with leases.hold(session, 0) as hold:
            await leases.drop(hold)
            await leases.keep(hold, Lease(session, "box"))
            await leases.drop(hold)
            assert hold.lease is None
        async with leases.hold(session, 0) as hold:
            assert hold.lease is None
        assert await leases.all() == []

    async def test_all_begins_with_the_least_recently_used(self, leases: Leases) -> None:
        """Saving a lease makes it the last of the list; only locking its session does not."""
        sessions = [new_id() for _ in range(3)]
        for session in (*sessions, sessions[0]):
            async with leases.hold(session, 0) as hold:
                await leases.keep(hold, Lease(session, session))
                await asyncio.sleep(0.002)  # the order is by milliseconds
        async with leases.hold(sessions[1], 0):
            pass
        listed = await leases.all()
        assert [lease.session_id for lease in listed] == [sessions[1], sessions[2], sessions[0]]
        assert [lease.used_at for lease in listed] == sorted(lease.used_at for lease in listed)

    async def test_a_hold_that_is_over_changes_nothing(self, leases: Leases) -> None:
        """After a lost lock, a lease can neither be saved nor dropped, and the holder can see it."""
        session = new_id()
        async with leases.hold(session, 0) as over:
            assert not over.is_lost()
        assert over.is_lost()
        async with leases.hold(session, 0) as hold:
            await leases.keep(hold, Lease(session, "box"))
            with pytest.raises(LeasesUnavailable):
                await leases.keep(over, Lease(session, "other"))
            with pytest.raises(LeasesUnavailable):
                await leases.drop(over)
            assert not hold.is_lost()
        assert [lease.sandbox_id for lease in await leases.all()] == ["box"]

    async def test_leases_are_counted(self, leases: Leases) -> None:
        """A lease beyond ``most`` is not stored; an existing one may be renewed."""
        sessions = [new_id() for _ in range(6)]

        async def ask(session: str) -> bool:
            async with leases.hold(session, 0) as hold:
                is_kept = await leases.keep(hold, Lease(session, session), 3)
                assert (hold.lease is not None) == is_kept
                return is_kept

        kept = await asyncio.gather(*(ask(session) for session in sessions))
        assert sorted(kept) == [False] * 3 + [True] * 3
        inside = [session for session, is_kept in zip(sessions, kept, strict=True) if is_kept]
        assert {lease.session_id for lease in await leases.all()} == set(inside)
        assert await ask(inside[0])
        async with leases.hold(inside[0], 0) as hold:
            await leases.drop(hold)
        assert await ask(sessions[kept.index(False)])

    async def test_hints_are_remembered(self, leases: Leases) -> None:
        """A hint gives the session named last, and nothing to a user who never named one."""
        key, other = f"tenant\0ü\0{new_id()}", f"tenant\0\0{new_id()}"
        assert await leases.hint(key) is None
        assert await leases.hint(key, "one") == "one"
        assert await leases.hint(key, "two") == "two"
        assert await leases.hint(key) == "two"
        assert await leases.hint(other) is None


def _sandbox(hold: SessionLock) -> str | None:
    return hold.lease.sandbox_id if hold.lease else None
