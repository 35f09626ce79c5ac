"""An answer of the store is lost, so that the write's outcome is unknown; both outcomes are handled."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.core.errors import NotFound, StoreUnavailable
from librechat_code_interpreter.core.files import Files, Upload, UploadPurpose
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.session import Record
from librechat_code_interpreter.stores.objects import ObjectFiles, open_store
from tests.stores.conformance import content, keys, new_session, text

ANYBODY = Principal("key")


class Deaf(ObjectFiles):
    """A store that writes records, and raises nevertheless."""

    is_deaf = False

    async def _put_record(self, record: Record, condition: object) -> bool:
        done = await super()._put_record(record, condition)  # type: ignore[arg-type]
        if self.is_deaf:
            raise StoreUnavailable("The file store does not answer.")
        return done


@pytest.fixture
def store() -> Deaf:
    """Begin with an empty one."""
    return Deaf(open_store("memory://"))


async def uploading(store: Deaf, session_id: str | None) -> Upload:
    """Upload a file, until just before it becomes visible."""
    upload = await Files(store, 1000).begin(ANYBODY, session_id)
    await upload.add("a.txt", None, text(b"a"))
    return upload


@pytest.mark.parametrize("is_new", [True, False])
async def test_no_record_names_bytes_that_were_taken_back(store: Deaf, is_new: bool) -> None:
    """The client receives 503; files that a record names are readable nevertheless."""
    upload = await uploading(store, None if is_new else await new_session(store))
    store.is_deaf = True
    with pytest.raises(StoreUnavailable):
        await upload.commit(UploadPurpose(), ANYBODY)
    await upload.abandon()
    record = await store.load(upload.record.id)
    assert record is not None
    assert [await content(store, record.id, file_id) for file_id in record.files] == [b"a"]


async def test_bytes_for_a_session_that_is_gone_are_taken_back(store: Deaf) -> None:
    """It was erased during the upload."""
    session_id = await new_session(store)
    upload = await uploading(store, session_id)
    await store.erase(session_id)
    with pytest.raises(NotFound):
        await upload.commit(UploadPurpose(), ANYBODY)
    await upload.abandon()
    assert await keys(store) == set()


async def test_an_upload_that_never_came_to_its_end_is_taken_back(store: Deaf) -> None:
    """Nothing was visible yet, so the bytes are erased."""
    upload = await uploading(store, None)
    await upload.abandon()
    assert await keys(store) == set()
    assert await store.load(new_id()) is None
