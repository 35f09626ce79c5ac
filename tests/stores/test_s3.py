"""A bucket passes the suite of all file stores: between replicas, over bad connections, and in an outage."""

from __future__ import annotations

import asyncio

import pytest

from librechat_code_interpreter.core.errors import StoreUnavailable
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.stores.conformance import (
    MiB,
    SharedConformance,
    assert_away,
    breaking,
    content,
    new_session,
    paths,
    pieces,
    text,
)
from tests.stores.conftest import reach
from tests.stores.line import line_to
from tests.stores.memory import memory_taken
from tests.stores.moto_server import BUCKET, MotoServer


class TestBucket(SharedConformance):
    """Run the suite on S3."""

    @pytest.fixture
    def files(self, bucket: str) -> SessionStore:
        """Begin with an empty part of the bucket."""
        return SessionStore(open_blobs(bucket))

    @pytest.fixture
    def replica(self, files: SessionStore, bucket: str) -> SessionStore:
        """Connect a second time."""
        return SessionStore(open_blobs(bucket))


async def test_parts_of_a_file_that_did_not_come_are_not_paid_for(bucket: str, moto: MotoServer) -> None:
    """A broken upload is aborted in the bucket."""
    with pytest.raises(ZeroDivisionError):
        await SessionStore(open_blobs(bucket)).write(new_id(), new_id(), breaking(12 * MiB))
    _, listed = moto.ask("GET", f"/{BUCKET}?uploads")
    assert b"ListMultipartUploadsResult" in listed
    assert b"<Upload>" not in listed


async def test_a_large_file_takes_no_memory(bucket: str) -> None:
    """Neither uploads nor downloads load a file into memory."""
    assert await memory_taken(bucket) < 40 * MiB


async def test_a_download_outlives_its_connections(
    bucket: str, moto: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Downloads resume however often their connection breaks, as by its timeout when the reader is slow."""
    async with line_to(moto.port) as line:
        reach(monkeypatch, line.port)
        files, session_id, file_id = SessionStore(open_blobs(bucket)), new_id(), new_id()
        await files.write(session_id, file_id, pieces(20 * MiB))
        line.cut_after_bytes = 2 * MiB
        whole = b"".join([piece async for piece in pieces(20 * MiB)])
        assert await content(files, session_id, file_id) == whole
        assert await content(files, session_id, file_id, 3, 20 * MiB - 3) == whole[3:-3]
        assert line.cuts >= 18


async def test_a_store_that_ignores_conditions_is_refused(
    bucket: str, moto: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without conditional writes replicas would undo each other's changes, so the service is not ready."""
    async with line_to(moto.port) as line:
        reach(monkeypatch, line.port)
        line.words[b"if-match:"] = b"no-match:"
        files = SessionStore(open_blobs(bucket))
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="ignores conditional writes"):
                await files.probe()
        line.words.clear()
        await files.probe()


async def test_conditions_that_are_switched_off_are_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint may come from the environment, which obstore reads."""
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    with pytest.raises(StoreUnavailable, match="ignores conditional writes"):
        await SessionStore(open_blobs(bucket)).probe()


@pytest.mark.parametrize("url", ["s3://no-such-bucket/x"])
async def test_a_bucket_that_is_not_there_is_told(bucket: str, url: str) -> None:
    """A missing bucket is an outage, not an absent session."""
    with pytest.raises(StoreUnavailable):
        await SessionStore(open_blobs(url)).probe()


async def test_a_bucket_that_is_away_is_told_and_comes_back(
    mortal: MotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every method raises StoreUnavailable within seconds, and works again afterwards."""
    reach(monkeypatch, mortal.port)
    files = SessionStore(open_blobs(f"s3://{BUCKET}/x"))
    session_id, file_id = await new_session(files), new_id()
    await files.write(session_id, file_id, text(b"a"))
    mortal.kill()
    async with asyncio.timeout(15):
        await assert_away(files, session_id, file_id)
    mortal.start()
    assert await paths(files, await new_session(files)) == set()
