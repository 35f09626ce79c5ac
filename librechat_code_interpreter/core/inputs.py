"""Inputs of a run: the files that its workspace needs, and which of them the sandbox lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from librechat_code_interpreter.core import paths
from librechat_code_interpreter.core.access import may_read
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import Chunks, FileStore, Lease, Staged
from librechat_code_interpreter.core.session import FileRecord, Record
from librechat_code_interpreter.core.touch import touched

MAX_NAMED_FILES = 20
"""Most file names in one note, so that a note stays one line."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A stored file that a request wants in the workspace, under a name of the request's choice (K15)."""

    session_id: str
    file_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Input:
    """One stored file and its path in the workspace."""

    path: str
    session_id: str
    file: FileRecord

    @property
    def key(self) -> str:
        """Identifier of the bytes, for ``Lease.staged``."""
        return f"{self.session_id}/{self.file.id}"


@dataclass(slots=True)
class References:
    """The stored files that a request refers to, the session records read for them, and notes on missing files."""

    found: list[Input] = field(default_factory=list)
    """In the order of the request."""

    records: dict[str, Record] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Inputs:
    """The inputs of a run by path, the records read for them, and notes for the model on missing files."""

    by_path: dict[str, Input] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


async def resolve(store: FileStore, principal: Principal, refs: Iterable[Ref]) -> References:
    """Look up the refs.

    A missing, expired, foreign or misnamed file becomes a note and does not fail the run (K15). Errors of the store are
    raised.
    """
    references = References()
    for ref in refs:
        path = paths.clean(ref.name)
        file = await _find(store, principal, ref, references)
        if path is None:
            references.notes.append(f"The file {ref.name!r} was skipped: this cannot be a name in the workspace.")
        elif file is None:
            references.notes.append(f"The file {ref.name!r} was not found or has expired; it is not in the workspace.")
        else:
            references.found.append(Input(path, ref.session_id, file))
    return references


async def _find(store: FileStore, principal: Principal, ref: Ref, references: References) -> FileRecord | None:
    record = references.records.get(ref.session_id) or await store.load(ref.session_id)
    if record is None or not may_read(principal, record):
        return None
    if ref.session_id not in references.records:
        record = references.records[ref.session_id] = await touched(store, record)
    return record.files.get(ref.file_id)


def select_inputs(references: References, record: Record | None = None) -> Inputs:
    """Choose the file for each path; where the session's files and the refs conflict, choose the newest (K15)."""
    own = [Input(file.path, record.id, file) for file in record.current()] if record is not None else []
    selected, replaced = _newest([*own, *references.found])
    notes = [*references.notes, *([_replaced_note(replaced)] if replaced else [])]
    return Inputs(selected, references.records, notes)


def _newest(candidates: Sequence[Input]) -> tuple[dict[str, Input], list[Input]]:
    """Split candidates into the selected ones, by path, and those that a newer one replaces.

    Two files conflict if their paths are equal or one is a directory of the other. LibreChat names current attachments
    first and old uploads last, so the order of a request does not show which is newer. Only between files of the same
    time does the order decide: the later one is selected.
    """
    selected: dict[str, Input] = {}
    replaced: list[Input] = []
    occupied = paths.Occupied()
    for _, item in sorted(enumerate(candidates), key=lambda pair: (pair[1].file.modified, pair[0]), reverse=True):
        if not occupied.in_the_way_of(item.path):
            occupied.add(item.path)
            selected[item.path] = item
        elif item.path not in selected or selected[item.path].key != item.key:
            replaced.append(item)
    return selected, replaced


def _replaced_note(replaced: Sequence[Input]) -> str:
    names = list(dict.fromkeys(item.path for item in replaced))
    shown = ", ".join(map(repr, names[:MAX_NAMED_FILES]))
    more = f" and {len(names) - MAX_NAMED_FILES} more" if len(names) > MAX_NAMED_FILES else ""
    return f"Older versions were not placed, because a newer file takes their place: {shown}{more}."


def missing_from(lease: Lease, inputs: Inputs, store: FileStore) -> list[Staged]:
    """Return the inputs that the sandbox does not have yet."""
    return [
        Staged(item.path, item.file.size, _reader(store, item))
        for item in inputs.by_path.values()
        if lease.staged.get(item.path) != item.key
    ]


def forget_replaced(lease: Lease, placed: Iterable[str]) -> None:
    """Remove from the lease staged files that conflict with newly placed ones; if needed, they are staged again."""
    there = paths.Occupied(lease.staged)
    for path in placed:
        for other in there.in_the_way_of(path):
            there.remove(other)
            del lease.staged[other]


def note_placed(lease: Lease, inputs: Inputs) -> None:
    """Record in the lease that every input is at its path."""
    lease.staged.update({path: item.key for path, item in inputs.by_path.items()})


def stale_in(lease: Lease, record: Record, inputs: Inputs) -> list[str]:
    """Return the paths of session files that were deleted after they were staged into the sandbox."""
    own = record.id + "/"
    return [
        path
        for path, key in lease.staged.items()
        if key.startswith(own) and path not in inputs.by_path and key.removeprefix(own) not in record.files
    ]


def _reader(store: FileStore, item: Input) -> Callable[[], Chunks]:
    return lambda: store.read(item.session_id, item.file.id)
