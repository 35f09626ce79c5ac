"""An answer of the store is lost, so that the write's outcome is unknown; both outcomes are handled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from obstore.store import MemoryStore

from librechat_code_interpreter.core.errors import NotFound, StoreUnavailable
from librechat_code_interpreter.core.files import Files, Upload, UploadPurpose
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.stores.obstore_blobs import ObstoreBlobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.stores.conformance import content, keys, new_session, others_end, text

if TYPE_CHECKING:  # known to type checkers only
    from obstore import PutMode

ANYBODY = Principal("key")


class DeafBlobs(ObstoreBlobs):
    """Write small objects, and do not hear that it went well."""

    is_deaf = False

    async def put(self, key: str, body: bytes, condition: PutMode = "overwrite") -> bool:
        done = await super().put(key, body, condition)
        if self.is_deaf:
            raise ConnectionResetError
        return done


@pytest.fixture
def blobs() -> DeafBlobs:
    """Begin with none."""
    return DeafBlobs(MemoryStore())


@pytest.fixture
def store(blobs: DeafBlobs) -> SessionStore:
    """Begin with an empty one."""
    return SessionStore(blobs)


async def uploading(store: SessionStore, session_id: str | None) -> Upload:
    """Upload a file, until just before it becomes visible."""
    upload = await Files(store, 1000).begin(ANYBODY, session_id)
    await upload.add("a.txt", None, text(b"a"))
    return upload


@pytest.mark.parametrize("is_new", [True, False])
async def test_no_record_names_bytes_that_were_taken_back(store: SessionStore, blobs: DeafBlobs, is_new: bool) -> None:
    """The client receives 503; files that a record names are readable nevertheless."""
    upload = await uploading(store, None if is_new else await new_session(store))
    blobs.is_deaf = True
    with pytest.raises(StoreUnavailable):
        await upload.commit(UploadPurpose(), ANYBODY)
    await upload.abandon()
    record = await store.load(upload.record.id)
    assert record is not None
    assert [await content(store, record.id, file_id) for file_id in record.files] == [b"a"]


async def test_bytes_for_a_session_that_is_gone_are_taken_back(store: SessionStore) -> None:
    """It was erased during the upload."""
    session_id = await new_session(store)
    upload = await uploading(store, session_id)
    await store.erase(session_id)
    with pytest.raises(NotFound):
        await upload.commit(UploadPurpose(), ANYBODY)
    await upload.abandon()
    assert await keys(store) == set()


async def test_an_upload_that_never_came_to_its_end_is_taken_back(store: SessionStore) -> None:
    """Nothing was visible yet, so the bytes are erased."""
    upload = await uploading(store, None)
    await upload.abandon()
    assert await keys(store) == set()
    assert await store.load(new_id()) is None


async def test_a_write_that_ended_beside_its_cancellation_leaves_nothing(
    store: SessionStore, blobs: DeafBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is cancelled when the store has every byte and has not answered yet; no record names the file."""
    written, answers = asyncio.Event(), asyncio.Event()

    async def write(key: str, chunks: AsyncIterator[bytes]) -> None:
        await ObstoreBlobs.write(blobs, key, chunks)
        written.set()
        await answers.wait()

    monkeypatch.setattr(blobs, "write", write)
    writing = asyncio.create_task(store.write(new_id(), new_id(), text(b"a")))
    await written.wait()
    writing.cancel()
    await asyncio.wait([writing])
    answers.set()
    await others_end()
    assert writing.cancelled()
    assert await keys(store) == set()
