"""Work out which files a run needs in its workspace, and which of them the sandbox does not hold yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from app.core import paths
from app.core.access import may_read
from app.core.ports import Chunks, FileStore, Lease, Staged
from app.core.principal import Principal
from app.core.session import FileRecord, Record
from app.core.touch import touched


@dataclass(frozen=True, slots=True)
class Ref:
    """Name a stored file that a request wants in the workspace, under a name of the request's choice (K15)."""

    session_id: str
    file_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Input:
    """Place one stored file in the workspace."""

    path: str
    session_id: str
    file: FileRecord

    @property
    def key(self) -> str:
        """Identify the bytes, for ``Lease.staged``."""
        return f"{self.session_id}/{self.file.id}"


@dataclass(slots=True)
class Inputs:
    """Hold the inputs of a run by path, the records met on the way, and notes for the model on what is missing."""

    by_path: dict[str, Input] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _placed: paths.Occupied = field(default_factory=paths.Occupied)

    def place(self, item: Input) -> None:
        """Add an input; whatever lies in its way gives way, so that the last ref wins (K15)."""
        if item.path not in self.by_path:
            for path in self._placed.in_the_way_of(item.path):
                self._placed.remove(path)
                del self.by_path[path]
            self._placed.add(item.path)
        self.by_path[item.path] = item

    def remove(self, path: str) -> None:
        """Take an input away, if it is there."""
        if self.by_path.pop(path, None) is not None:
            self._placed.remove(path)


async def resolve(store: FileStore, principal: Principal, refs: Iterable[Ref]) -> Inputs:
    """Look the refs up. What is missing, expired, foreign or misnamed becomes a note; nothing fails the run (K15)."""
    inputs = Inputs()
    for ref in refs:
        path = paths.clean(ref.name)
        file = await _find(store, principal, ref, inputs)
        if path is None:
            inputs.notes.append(f"The file {ref.name!r} was skipped: this cannot be a name in the workspace.")
        elif file is None:
            inputs.notes.append(f"The file {ref.name!r} was not found or has expired; it is not in the workspace.")
        else:
            inputs.place(Input(path, ref.session_id, file))
    return inputs


async def _find(store: FileStore, principal: Principal, ref: Ref, inputs: Inputs) -> FileRecord | None:
    record = inputs.records.get(ref.session_id) or await store.load(ref.session_id)
    if record is None or not may_read(principal, record):
        return None
    if ref.session_id not in inputs.records:
        record = inputs.records[ref.session_id] = await touched(store, record)
    return record.files.get(ref.file_id)


def with_session_files(record: Record, inputs: Inputs) -> Inputs:
    """Put the session's own files below the refs: a ref of the same name wins."""
    merged = Inputs(records=inputs.records, notes=inputs.notes)
    for file in record.current():
        merged.place(Input(file.path, record.id, file))
    for item in inputs.by_path.values():
        merged.place(item)
    return merged


def missing_from(lease: Lease, inputs: Inputs, store: FileStore) -> list[Staged]:
    """List what the sandbox does not hold yet."""
    return [
        Staged(item.path, item.file.size, _reader(store, item))
        for item in inputs.by_path.values()
        if lease.staged.get(item.path) != item.key
    ]


def forget_replaced(lease: Lease, placed: Iterable[str]) -> None:
    """Forget staged files that give way to ones that are placed now: they must be staged again if they are wanted."""
    there = paths.Occupied(lease.staged)
    for path in placed:
        for other in there.in_the_way_of(path):
            there.remove(other)
            del lease.staged[other]


def note_placed(lease: Lease, inputs: Inputs) -> None:
    """Write down that every input is where it should be."""
    lease.staged.update({path: item.key for path, item in inputs.by_path.items()})


def stale_in(lease: Lease, record: Record, inputs: Inputs) -> list[str]:
    """List paths of session files that were deleted since the sandbox got them."""
    own = record.id + "/"
    return [
        path
        for path, key in lease.staged.items()
        if key.startswith(own) and path not in inputs.by_path and key.removeprefix(own) not in record.files
    ]


def _reader(store: FileStore, item: Input) -> Callable[[], Chunks]:
    return lambda: store.read(item.session_id, item.file.id)
