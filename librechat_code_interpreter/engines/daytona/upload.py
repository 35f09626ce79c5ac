"""Upload of files into a sandbox's workspace, in as few round trips as the workspace allows.

A workspace of ordinary files takes one upload for all small files. Where a program left links, pipes or closed
directories, an upload could follow them. Then the runner writes the files: small ones from the order itself, others
from an inbox outside the workspace, which costs one more round trip.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from daytona import AsyncSandbox, DaytonaError, FileUpload

from librechat_code_interpreter.core import paths
from librechat_code_interpreter.core.protocols import Staged
from librechat_code_interpreter.engines.daytona import bootstrap
from librechat_code_interpreter.engines.daytona.layout import Known
from librechat_code_interpreter.engines.daytona.runner_exec import KiB, NotStarted, Pipe, new_nonce, shown
from librechat_code_interpreter.runner.files import Parcel

MiB = 1024 * KiB

SMALL_BYTES = 4 * MiB
"""A larger file is streamed in its own request."""

BATCH_BYTES = 16 * MiB
"""Size above which a batch of small files is sent; an upload needs about this much memory."""

INLINE_BYTES = 40 * KiB
"""Limit of the total size of files sent inside the order to the runner."""

UPLOAD_SECONDS = 300
PLACE_SECONDS = 60


@dataclass(slots=True)
class Item:
    """One file: its path, its upload target, and its bytes if it is small."""

    staged: Staged
    target: str
    is_direct: bool
    data: bytes | None = None


@dataclass(slots=True)
class Delivery:
    """Upload of one set of files; ``known`` is ``None`` if an upload might follow links in the workspace."""

    pipe: Pipe
    known: Known | None
    refused: dict[str, str] = field(default_factory=dict)

    async def bring(self, files: Sequence[Staged]) -> dict[str, str]:
        """Upload the files; return a reason for each unwritable path. Raises ``DaytonaError`` or ``NotStarted``."""
        items = [item for staged in files if (item := self._sort(staged))]
        apart = [item for item in items if not item.is_direct]
        if sum(item.staged.size for item in apart) <= INLINE_BYTES:
            for item in apart:
                item.data = await _read(item.staged)
            await self._upload([item for item in items if item.is_direct])
        else:
            await self._upload(items)
            for item in apart:
                item.data = None
        await self._place([item for item in apart if item.staged.path not in self.refused])
        for item in items:
            if self.known is not None and item.staged.path not in self.refused:
                self.known.add(item.staged.path)
        return self.refused

    def _sort(self, staged: Staged) -> Item | None:
        path = staged.path
        if paths.clean(path) != path:
            self.refused[path] = "it is no path in the workspace"
        elif self.known is not None and self.known.is_free(path):
            return Item(staged, f"{bootstrap.WORKSPACE}/{path}", is_direct=True)
        else:
            return Item(staged, f"{bootstrap.HOME}/in-{new_nonce()}", is_direct=False)
        return None

    async def _upload(self, items: list[Item]) -> None:
        batch: list[Item] = []
        for item in items:
            if item.staged.size > SMALL_BYTES:
                await self._stream(item)
                continue
            item.data = await _read(item.staged)
            batch.append(item)
            if sum(len(one.data or b"") for one in batch) > BATCH_BYTES:
                await self._post(batch)
                batch = []
        if batch:
            await self._post(batch)

    async def _post(self, batch: list[Item]) -> None:
        uploads = [FileUpload(item.data or b"", item.target) for item in batch]
        try:
            with self.pipe.calls.timed("upload"):
                await self._remote.fs.upload_files(uploads, timeout=UPLOAD_SECONDS)
        except DaytonaError as error:
            await self._note_refused(batch, error)
        for item in batch:
            item.data = None

    async def _stream(self, item: Item) -> None:
        source = _Source(item.staged)
        try:
            with self.pipe.calls.timed("upload"):
                await self._remote.fs.upload_file_stream(source, item.target, timeout=UPLOAD_SECONDS)
        except DaytonaError as error:
            if source.error is not None:
                await self._remove([item])
                raise source.error from error
            await self._note_refused([item], error)

    @property
    def _remote(self) -> AsyncSandbox:
        return self.pipe.remote

    async def _note_refused(self, items: list[Item], error: DaytonaError) -> None:
        """Record the files named in the sandbox's error and remove their partial data.

        If none is named, raise the error.
        """
        named = [item for item in items if f"{item.target}: " in str(error)]
        if error.status_code != 400 or not named:
            raise error
        for item in named:
            reason = str(error).partition(f"{item.target}: ")[2].partition(f", {bootstrap.WORKSPACE}/")[0]
            self.refused[item.staged.path] = reason.partition(f", {bootstrap.HOME}/")[0] or "it could not be written"
        await self._remove(named)

    async def _remove(self, items: list[Item]) -> None:
        """Remove partially written files."""
        names = " ".join(shlex.quote(item.target) for item in items)
        if not await self.pipe.succeeds(f"rm -f -- {names}", PLACE_SECONDS):
            raise NotStarted(f"half a file may be left at {shown(names)}")

    async def _place(self, items: list[Item]) -> None:
        if not items:
            return
        parcels = [_parcel(item).to_json() for item in items]
        answer = await self.pipe.order("place", PLACE_SECONDS, parcels=parcels)
        self.refused.update(answer["refused"])


def _parcel(item: Item) -> Parcel:
    if item.data is None:
        return Parcel(item.staged.path, source=item.target)
    return Parcel(item.staged.path, content=base64.b64encode(item.data).decode("ascii"))


async def _read(staged: Staged) -> bytes:
    return b"".join([chunk async for chunk in staged.read()])


class _Source:
    """Reads a file for the SDK and records the original error, because the SDK replaces it with its own."""

    def __init__(self, staged: Staged) -> None:
        self._staged = staged
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._staged.read():
                yield chunk
        except Exception as error:
            self.error = error
            raise
