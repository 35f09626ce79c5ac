"""Duration and outcome of every call to the file store, whatever the store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Literal, Self, TypeVar

from librechat_code_interpreter.core.errors import ServiceError
from librechat_code_interpreter.core.events import Events, StoreCalled
from librechat_code_interpreter.core.protocols import Chunks, FileStore, Written
from librechat_code_interpreter.core.session import Record

T = TypeVar("T")

Operation = Literal["load", "change", "create", "write", "read", "erase"]


class TimedFiles:
    """Forwards every call to a file store, and reports its duration."""

    def __init__(self, files: FileStore, events: Events) -> None:
        self._files = files
        self._events = events

    async def load(self, session_id: str) -> Record | None:
        with _Call(self._events, "load"):
            return await self._files.load(session_id)

    async def change(self, session_id: str, apply: Callable[[Record], T]) -> T:
        with _Call(self._events, "change"):
            return await self._files.change(session_id, apply)

    async def create(self, record: Record) -> None:
        with _Call(self._events, "create"):
            await self._files.create(record)

    async def write(self, session_id: str, file_id: str, chunks: Chunks, max_bytes: int | None = None) -> Written:
        with _Call(self._events, "write") as call:
            written = await self._files.write(session_id, file_id, chunks, max_bytes)
            call.size = written.size
            return written

    async def read(self, session_id: str, file_id: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Time the complete stream, including the reader's own time."""
        with _Call(self._events, "read") as call:
            async for chunk in self._files.read(session_id, file_id, start, end):
                call.size += len(chunk)
                yield chunk

    async def erase(self, session_id: str, file_ids: Sequence[str] | None = None) -> None:
        with _Call(self._events, "erase"):
            await self._files.erase(session_id, file_ids)


class _Call:
    """Times one call and reports it when it ends."""

    __slots__ = ("_began", "_events", "_operation", "size")

    def __init__(self, events: Events, operation: Operation) -> None:
        self._events = events
        self._operation = operation
        self._began = time.perf_counter()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        outcome = "ok" if error is None else error.code if isinstance(error, ServiceError) else "broken_off"
        self._events.tell(StoreCalled(self._operation, outcome, time.perf_counter() - self._began, self.size))
