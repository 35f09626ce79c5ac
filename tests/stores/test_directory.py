"""A directory passes the suite of all file stores."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore

from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.stores import directory_blobs
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore, file_key
from tests.stores.conformance import FilesConformance, assert_away, breaking, new_session, text
from tests.stores.memory import memory_taken

MiB = 1 << 20


@pytest.fixture
def files(tmp_path: Path) -> SessionStore:
    """Begin with an empty directory."""
    return SessionStore(open_blobs(str(tmp_path / "store")))


class TestDirectory(FilesConformance):
    """Run the suite on a directory."""


async def test_only_we_may_look_in(files: SessionStore, tmp_path: Path) -> None:
    """Only the owner can read the files."""
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


async def test_an_erased_session_leaves_no_directory(files: SessionStore, tmp_path: Path) -> None:
    """A broken upload leaves no directory, or they would grow in number without end."""
    session_id = await new_session(files)
    await files.write(session_id, new_id(), text(b"a"))
    with pytest.raises(ZeroDivisionError):
        await files.write(session_id, new_id(), breaking(12 * MiB))
    await files.erase(session_id)
    await files.probe()
    assert [path for path in (tmp_path / "store").rglob("*") if path.parent.name == "files" or path.is_file()] == []


async def test_a_directory_that_is_none_any_more_is_told(files: SessionStore, tmp_path: Path) -> None:
    """Every verb raises StoreUnavailable, with the reason for the log alone."""
    session_id, file_id = await new_session(files), new_id()
    await files.write(session_id, file_id, text(b"a"))
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    (tmp_path / "store").write_text("a file")
    await assert_away(files, session_id, file_id)


async def test_a_large_file_takes_no_memory(tmp_path: Path) -> None:
    """Neither uploads nor downloads load a file into memory."""
    assert await memory_taken(str(tmp_path / "large")) < 40 * MiB


async def test_what_a_killed_writer_left_does_not_stay_for_ever(files: SessionStore, tmp_path: Path) -> None:
    """An unfinished file is in no listing, so cleanup finds it by its age; one that still grows is kept."""
    session_id = new_id()
    directory = tmp_path / "store" / "files" / session_id
    directory.mkdir(parents=True)
    old, young = directory / f"{new_id()}#1", tmp_path / "store" / "records" / f"{new_id()}.json#12"
    young.parent.mkdir(exist_ok=True)
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert await files.remove_unfinished(3600) == 1
    assert (directory.exists(), young.exists()) == (False, True)


async def test_a_directory_may_vanish_as_a_file_comes(files: SessionStore, tmp_path: Path) -> None:
    """The last file of a session is deleted, and its directory with it, while the next one is being stored."""
    session_id, place = await new_session(files), tmp_path / "store" / "files"
    for _ in range(30):
        first, second = new_id(), new_id()
        await files.write(session_id, first, text(b"a"))
        await asyncio.gather(files.erase(session_id, [first]), files.write(session_id, second, text(b"b")))
        assert [path.name for path in (place / session_id).iterdir()] == [second]
        await files.erase(session_id, [second])


async def test_what_the_library_wrote_is_read_and_the_other_way_round(files: SessionStore, tmp_path: Path) -> None:
    """The library's stores of older versions are readable, and it lists and deletes files written by this one."""
    session_id, file_id = await new_session(files), new_id()
    library = LocalStore(tmp_path / "store")
    await obstore.put_async(library, file_key(session_id, file_id), b"theirs")
    assert b"".join([chunk async for chunk in files.read(session_id, file_id)]) == b"theirs"
    await files.write(session_id, file_id, text(b"ours"))
    assert bytes(await (await obstore.get_async(library, file_key(session_id, file_id))).bytes_async()) == b"ours"


async def test_a_write_whose_writer_left_undid_the_next_one(
    files: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread cannot be stopped: the next change of a record waits for the cancelled one's write."""
    session_id = await new_session(files)
    begun, goes_on = threading.Event(), threading.Event()

    def slow(path: str, body: bytes, *, must_be_new: bool) -> bool:
        begun.set()
        goes_on.wait()
        return write_whole(path, body, must_be_new=must_be_new)

    write_whole = directory_blobs.write_file
    monkeypatch.setattr(directory_blobs, "write_file", slow)
    left = asyncio.create_task(files.change(session_id, lambda record: setattr(record, "user", "who left")))
    await asyncio.to_thread(begun.wait)
    left.cancel()
    monkeypatch.setattr(directory_blobs, "write_file", write_whole)
    staying = asyncio.create_task(files.change(session_id, lambda record: setattr(record, "language", "py")))
    await asyncio.wait([staying], timeout=0.2)
    assert not staying.done()
    goes_on.set()
    await staying
    await asyncio.wait([left])
    record = await files.load(session_id)
    assert record is not None
    assert (record.user, record.language, left.cancelled()) == ("who left", "py", True)


@pytest.mark.parametrize(
    "answer", [OSError(errno.EAGAIN, "would wait"), OSError(errno.EOPNOTSUPP, "cannot tell"), 0, 1000], ids=str
)
async def test_what_is_not_in_memory_is_read_from_the_disk(
    files: SessionStore, monkeypatch: pytest.MonkeyPatch, answer: OSError | int
) -> None:
    """Whatever the kernel answers to a partial read, the file is complete."""
    session_id, file_id, content = await new_session(files), new_id(), os.urandom(2 * MiB + 7)
    await files.write(session_id, file_id, text(content))

    def preadv(descriptor: int, buffers: list[memoryview], start: int, flags: int) -> int:
        assert flags == os.RWF_NOWAIT
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr("librechat_code_interpreter.stores.directory_blobs.os.preadv", preadv)
    assert b"".join([chunk async for chunk in files.read(session_id, file_id)]) == content
    assert b"".join([chunk async for chunk in files.read(session_id, file_id, 5, MiB)]) == content[5:MiB]


async def test_writes_in_many_small_pieces_are_whole(files: SessionStore) -> None:
    """More pieces than one system call takes, some of them empty."""
    session_id, file_id = await new_session(files), new_id()
    pieces = [bytes([number % 256]) * (number % 3) for number in range(5000)]

    async def small() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    await files.write(session_id, file_id, small())
    assert b"".join([chunk async for chunk in files.read(session_id, file_id)]) == b"".join(pieces)


async def test_a_write_that_the_kernel_takes_in_part_goes_on(
    files: SessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short writes, as with a nearly full disk or a signal."""
    session_id, file_id, content = await new_session(files), new_id(), os.urandom(3 * MiB)

    def writev(descriptor: int, pieces: list[bytes]) -> int:
        return os.write(descriptor, pieces[0][:100_003])

    monkeypatch.setattr("librechat_code_interpreter.stores.directory_blobs.os.writev", writev)
    await files.write(session_id, file_id, text(content))
    assert b"".join([chunk async for chunk in files.read(session_id, file_id)]) == content
