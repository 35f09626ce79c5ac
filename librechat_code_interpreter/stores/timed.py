"""Duration and outcome of every call to the file store, whatever the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

from librechat_code_interpreter.core.errors import ServiceError
from librechat_code_interpreter.core.events import Events, StoreCalled
from librechat_code_interpreter.core.protocols import Chunks, FileStore, Written
from librechat_code_interpreter.core.session import Record
from librechat_code_interpreter.core.timing import timed

T = TypeVar("T")

Operation = Literal["load", "change", "create", "write", "read", "erase"]


@dataclass(slots=True)
class _Transfer:
    size: int = 0
    """Bytes of a file that were written or read so far."""


class TimedFiles:
    """Forwards every call to a file store, and reports its duration."""

    def __init__(self, files: FileStore, events: Events) -> None:
        self._files = files
        self._events = events

    @contextmanager
    def _timed(self, operation: Operation) -> Iterator[_Transfer]:
        transfer = _Transfer()

        def report(seconds: float, error: BaseException | None) -> None:
            outcome = "ok" if error is None else error.code if isinstance(error, ServiceError) else "broken_off"
            self._events.tell(StoreCalled(operation, outcome, seconds, transfer.size))

        with timed(report):
            yield transfer

    async def load(self, session_id: str) -> Record | None:
        with self._timed("load"):
            return await self._files.load(session_id)

    async def change(self, session_id: str, apply: Callable[[Record], T]) -> T:
        with self._timed("change"):
            return await self._files.change(session_id, apply)

    async def create(self, record: Record) -> None:
        with self._timed("create"):
            await self._files.create(record)

    async def write(self, session_id: str, file_id: str, chunks: Chunks, max_bytes: int | None = None) -> Written:
        with self._timed("write") as transfer:
            written = await self._files.write(session_id, file_id, chunks, max_bytes)
            transfer.size = written.size
            return written

    async def read(self, session_id: str, file_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Time the complete stream, including the reader's own time."""
        with self._timed("read") as transfer:
            async for chunk in self._files.read(session_id, file_id, start, end):
                transfer.size += len(chunk)
                yield chunk

    async def erase(self, session_id: str, file_ids: Sequence[str] | None = None) -> None:
        with self._timed("erase"):
            await self._files.erase(session_id, file_ids)
