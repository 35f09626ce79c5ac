"""Conformance suite of every store of records and files. A subclass gives the fixture ``files``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from librechat_code_interpreter.core.errors import Conflict, NotFound, StoreUnavailable, TooLarge
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.session import FileRecord, Record, Scope, now
from librechat_code_interpreter.stores.obstore_blobs import PART_BYTES
from librechat_code_interpreter.stores.session_store import SessionStore

MiB = 1 << 20
MINUTE_SECONDS = 60.0
ODD_NAMES = (
    "a b/ü/日本語.txt", "quote\"s and 'more'", "line\nbreak\tand\x01control", "…/‮rtl", "percent%2F..%00", "*?[a]#1",
    "é", "é", "x" * 255, "😀" * 63,
)  # fmt: skip
"""Names are data in a record and never keys, so that no store can stumble over them."""


async def pieces(size: int, piece: int = MiB) -> AsyncIterator[bytes]:
    """Yield this many bytes, every mebibyte different."""
    for start in range(0, size, piece):
        yield bytes((start // piece + i) % 251 for i in range(min(64, size - start))).ljust(min(piece, size - start))


async def text(content: bytes) -> AsyncIterator[bytes]:
    """Yield these bytes."""
    yield content


async def breaking(size: int) -> AsyncIterator[bytes]:
    """Yield this many bytes, then fail."""
    async for piece in pieces(size):
        yield piece
    raise ZeroDivisionError


async def content(files: SessionStore, session_id: str, file_id: str, *span: int | None) -> bytes:
    """Read a file."""
    return b"".join([chunk async for chunk in files.read(session_id, file_id, *span)])  # type: ignore[arg-type]


async def others_end() -> None:
    """Wait for the tasks that go on without their caller."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


async def keys(files: SessionStore) -> set[str]:
    """Name everything that is in the store."""
    return {key async for page in files.blobs.list("") for key, _ in page}


def adding(path: str) -> Callable[[Record], str]:
    """Make a change that adds a file to a record."""
    file = FileRecord(id=new_id(), path=path, size=1, modified=now(), etag='"e"', content_type="text/plain")

    def apply(record: Record) -> str:
        record.add(file)
        return file.id

    return apply


async def new_session(files: SessionStore) -> str:
    """Make a session."""
    record = Record(id=new_id())
    await files.create(record)
    return record.id


async def paths(files: SessionStore, session_id: str) -> set[str]:
    """Name the files in a record."""
    record = await files.load(session_id)
    assert record is not None
    return {file.path for file in record.current()}


def every_verb(files: SessionStore, session_id: str, file_id: str) -> dict[str, Awaitable[Any]]:
    """Call every method once."""
    return {
        "load": files.load(session_id),
        "create": files.create(Record(id=new_id())),
        "change": files.change(session_id, adding("a")),
        "write in one": files.write(session_id, new_id(), text(b"a")),
        "write in parts": files.write(session_id, new_id(), pieces(PART_BYTES + 1)),
        "read": content(files, session_id, file_id),
        "erase a file": files.erase(session_id, [file_id]),
        "erase a session": files.erase(session_id),
        "idle_since": files.idle_since(0.0),
        "is_idle": files.is_idle(session_id, 0.0),
        "recent": files.recent(1),
        "probe": files.probe(),
    }


async def assert_away(files: SessionStore, session_id: str, file_id: str) -> None:
    """Check that every method raises ``StoreUnavailable``, with a message without secrets."""
    asked = every_verb(files, session_id, file_id)
    told = dict(zip(asked, await asyncio.gather(*asked.values(), return_exceptions=True), strict=True))
    assert {verb: (type(error), str(error)) for verb, error in told.items()} == dict.fromkeys(
        told, (StoreUnavailable, "The file store does not answer.")
    )


class FilesConformance:
    """Run these tests on any file store."""

    async def test_a_record_comes_back_as_it_was(self, files: SessionStore) -> None:
        """A record keeps every field, whatever its files' names."""
        scope = Scope(kind="skill", tenant="t", owner="ü", id="s", version="1")
        record = Record(id=new_id(), scope=scope, origin="upload", user="\0", language="py")
        for name in ODD_NAMES:
            adding(name)(record)
        await files.create(record)
        assert await files.load(record.id) == record
        assert await paths(files, record.id) == set(ODD_NAMES)

    async def test_a_record_keeps_its_times(self, files: SessionStore) -> None:
        """Also one that was written in the millisecond of its creation; retention counts from these times."""
        for _ in range(3):
            record = Record(id=new_id())
            await files.create(record)
            await asyncio.sleep(0.002)  # the default of both is now
            read = await files.load(record.id)
            assert read is not None
            assert (read.created, read.used) == (record.created, record.used)

    async def test_a_session_that_is_not_there(self, files: SessionStore) -> None:
        """An unknown id loads nothing; changing it is NotFound and creates nothing; invalid ids are not looked up."""
        session_id = new_id()
        for name in (session_id, "", "..", "../records", "a/b", "x" * 4000):
            assert await files.load(name) is None
        with pytest.raises(NotFound):
            await files.change(session_id, adding("a"))
        assert await files.load(session_id) is None

    async def test_a_session_is_made_once(self, files: SessionStore) -> None:
        """A second record of the same id is a Conflict and changes nothing, also concurrently."""
        session_id = new_id()
        twins = [Record(id=session_id, user=str(number)) for number in range(5)]
        made = await asyncio.gather(*(files.create(twin) for twin in twins), return_exceptions=True)
        assert [type(answer) for answer in made if answer is not None] == [Conflict] * 4
        assert await files.load(session_id) == twins[made.index(None)]

    async def test_a_change_gives_what_it_gave(self, files: SessionStore) -> None:
        """A change is stored, and visible to the next one."""
        session_id = await new_session(files)
        file_id = await files.change(session_id, adding("a"))
        record = await files.load(session_id)
        assert record is not None
        assert list(record.files) == [file_id]

    async def test_a_change_that_raises_writes_nothing(self, files: SessionStore) -> None:
        """A change that raises stores nothing, and its error reaches the caller."""
        session_id = await new_session(files)

        def apply(record: Record) -> None:
            adding("a")(record)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await files.change(session_id, apply)
        assert await paths(files, session_id) == set()

    async def test_no_change_is_lost(self, files: SessionStore) -> None:
        """Concurrent changes are all applied."""
        session_id = await new_session(files)
        await asyncio.gather(*(files.change(session_id, adding(str(number))) for number in range(20)))
        assert await paths(files, session_id) == {str(number) for number in range(20)}

    @pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 17])
    async def test_bytes_come_back_as_they_were(self, files: SessionStore, size: int) -> None:
        """A file of any size, in one request or in parts."""
        session_id, file_id = new_id(), new_id()
        written = await files.write(session_id, file_id, pieces(size, 700_001))
        assert (written.size, written.etag) == (size, f'"{file_id}"')
        whole = b"".join([piece async for piece in pieces(size, 700_001)])
        assert await content(files, session_id, file_id) == whole

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            (0, 4, b"0123"), (3, 7, b"3456"), (3, None, b"3456789"), (9, 10, b"9"), (0, 10, b"0123456789"),
            (8, 99, b"89"), (4, 4, b""), (0, 0, b""),
        ],
    )  # fmt: skip
    async def test_a_part_of_a_file(self, files: SessionStore, start: int, end: int | None, expected: bytes) -> None:
        """A range ends before its end offset, and no further than the file."""
        session_id, file_id = new_id(), new_id()
        await files.write(session_id, file_id, text(b"0123456789"))
        assert await content(files, session_id, file_id, start, end) == expected

    async def test_a_file_that_is_not_there(self, files: SessionStore) -> None:
        """Reading it, or a part, is NotFound."""
        session_id, file_id = new_id(), new_id()
        await files.write(session_id, file_id, text(b"a"))
        for session, file, span in ((session_id, new_id(), ()), (new_id(), file_id, ()), (session_id, new_id(), (2,))):
            with pytest.raises(NotFound):
                await content(files, session, file, *span)

    @pytest.mark.parametrize("size", [0, MiB, 2 * PART_BYTES])
    async def test_a_source_that_breaks_leaves_nothing(self, files: SessionStore, size: int) -> None:
        """A failing upload stores nothing, at once, early or after several parts; its error reaches the caller."""
        before = await keys(files)
        with pytest.raises(ZeroDivisionError):
            await files.write(new_id(), new_id(), breaking(size))
        assert await keys(files) == before

    @pytest.mark.parametrize("limit", [0, 10, 2 * PART_BYTES])
    async def test_a_file_over_the_limit_leaves_nothing(self, files: SessionStore, limit: int) -> None:
        """TooLarge by one byte; exactly the limit is fine."""
        session_id, file_id = new_id(), new_id()
        before = await keys(files)
        with pytest.raises(TooLarge):
            await files.write(session_id, file_id, pieces(limit + 1), limit)
        assert await keys(files) == before
        assert (await files.write(session_id, file_id, pieces(limit), limit)).size == limit

    @pytest.mark.parametrize("size", [MiB, 2 * PART_BYTES])
    async def test_a_write_that_is_cancelled_leaves_nothing(self, files: SessionStore, size: int) -> None:
        """A cancelled upload stores nothing."""
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def hanging() -> AsyncIterator[bytes]:
            async for piece in pieces(size):
                yield piece
            reached.set()
            await go_on.wait()
            yield b"the rest"

        before = await keys(files)
        writing = asyncio.create_task(files.write(new_id(), new_id(), hanging()))
        await reached.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        go_on.set()
        await others_end()
        assert await keys(files) == before

    async def test_erased_files_are_gone_and_no_others(self, files: SessionStore) -> None:
        """Erasing an absent file is no error."""
        session_id, file_ids = await new_session(files), [new_id() for _ in range(3)]
        for file_id in file_ids:
            await files.write(session_id, file_id, text(b"a"))
        for _ in range(2):
            await files.erase(session_id, [*file_ids[:2], new_id()])
            for file_id in file_ids[:2]:
                with pytest.raises(NotFound):
                    await content(files, session_id, file_id)
        assert await content(files, session_id, file_ids[2]) == b"a"
        assert await files.load(session_id) is not None

    async def test_an_erased_session_leaves_nothing(self, files: SessionStore) -> None:
        """Neither record nor bytes remain; other sessions are unchanged."""
        other, other_file = await new_session(files), new_id()
        await files.write(other, other_file, text(b"a"))
        before = await keys(files)
        session_id = await new_session(files)
        for _ in range(3):
            await files.write(session_id, new_id(), text(b"a"))
        for _ in range(2):
            await files.erase(session_id)
            assert await keys(files) == before

    async def test_age_counts_from_the_last_change(self, files: SessionStore) -> None:
        """Young sessions are not idle, old ones are, and a deleted one is."""
        session_id = await new_session(files)
        for since, is_idle in ((time.time() - MINUTE_SECONDS, False), (time.time() + MINUTE_SECONDS, True)):
            assert (session_id in await files.idle_since(since)) is is_idle
            assert await files.is_idle(session_id, since) is is_idle
        assert await files.is_idle(new_id(), 0.0)

    async def test_the_newest_come_first(self, files: SessionStore) -> None:
        """At most as many sessions as asked for, by their last change, and the number of all."""
        _, before = await files.recent(1)
        ids = [await new_session(files) for _ in range(3)]
        await asyncio.sleep(1.1)  # S3 tells times in whole seconds
        await files.change(ids[0], adding("a"))
        newest, total = await files.recent(1)
        assert (newest, total) == ([ids[0]], before + 3)
        assert set((await files.recent(total))[0]) >= set(ids)

    async def test_bytes_that_nobody_recorded_grow_old_too(self, files: SessionStore) -> None:
        """Bytes without a record, from a replica that died, are found once no upload can take that long."""
        session_id = new_id()
        await files.write(session_id, new_id(), text(b"a"))
        assert session_id not in await files.idle_since(time.time() - MINUTE_SECONDS)
        later = time.time() + MINUTE_SECONDS
        assert (await files.idle_since(later)).count(session_id) == 1
        await files.erase(session_id)
        assert session_id not in await files.idle_since(later)

    async def test_a_probe_leaves_nothing(self, files: SessionStore) -> None:
        """A probe writes, reads and deletes, the first time and later."""
        before = await keys(files)
        await files.probe()
        await files.probe()
        assert await keys(files) == before


class SharedConformance(FilesConformance):
    """Additional tests for a shared store; the fixture ``replica`` is another replica's view of it."""

    async def test_no_change_of_any_replica_is_lost(self, files: SessionStore, replica: SessionStore) -> None:
        """Two replicas change one record thirty times, concurrently."""
        session_id = await new_session(files)
        changes = [
            view.change(session_id, adding(f"{name}{number}"))
            for number in range(15)
            for name, view in (("a", files), ("b", replica))
        ]
        await asyncio.gather(*changes)
        assert await paths(replica, session_id) == {f"{name}{number}" for number in range(15) for name in "ab"}

    async def test_who_was_overtaken_begins_again(self, files: SessionStore, replica: SessionStore) -> None:
        """A change of an outdated version is applied again, to the last one."""
        session_id = await new_session(files)
        loop, seen = asyncio.get_running_loop(), []

        async def overtaken() -> None:
            def apply(record: Record) -> None:
                seen.append({file.path for file in record.current()})
                if len(seen) == 1:  # from this thread, whose own loop goes on
                    asyncio.run_coroutine_threadsafe(replica.change(session_id, adding("first")), loop).result(20)
                adding("second")(record)

            await files.change(session_id, apply)

        await asyncio.to_thread(asyncio.run, overtaken())
        assert seen == [set(), {"first"}]
        assert await paths(files, session_id) == {"first", "second"}

    async def test_a_session_is_made_by_one_replica_only(self, files: SessionStore, replica: SessionStore) -> None:
        """The other replica gets a Conflict."""
        twins = [Record(id=new_id(), user="a")]
        twins.append(Record(id=twins[0].id, user="b"))
        made = await asyncio.gather(files.create(twins[0]), replica.create(twins[1]), return_exceptions=True)
        assert sorted(type(answer).__name__ for answer in made) == ["Conflict", "NoneType"]
        assert await files.load(twins[0].id) == twins[made.index(None)]

    async def test_an_erased_session_stays_erased(self, files: SessionStore, replica: SessionStore) -> None:
        """A change that another replica began before does not restore the record."""
        session_id = await new_session(files)
        loop = asyncio.get_running_loop()

        async def late() -> None:
            def apply(record: Record) -> None:
                asyncio.run_coroutine_threadsafe(replica.erase(session_id), loop).result(20)
                adding("a")(record)

            await files.change(session_id, apply)

        with pytest.raises(NotFound):
            await asyncio.to_thread(asyncio.run, late())
        assert await files.load(session_id) is None

    async def test_what_one_replica_wrote_another_reads(self, files: SessionStore, replica: SessionStore) -> None:
        """Another replica's change is visible at once."""
        session_id, file_id = await new_session(files), new_id()
        await files.write(session_id, file_id, text(b"a"))
        assert await content(replica, session_id, file_id) == b"a"
        assert await replica.load(session_id) is not None
