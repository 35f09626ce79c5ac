"""Outputs of a run: stores created and changed files, and records which were delivered (K20, K21)."""

from __future__ import annotations

import base64
import binascii
import errno
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from librechat_code_interpreter.core import paths
from librechat_code_interpreter.core.content_types import content_type_of
from librechat_code_interpreter.core.errors import StoreUnavailable
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.inputs import Input, Inputs, note_placed
from librechat_code_interpreter.core.protocols import FileStore, Lease, Sandbox
from librechat_code_interpreter.core.session import FileRecord, Record, now
from librechat_code_interpreter.runner.messages import ChangedFile, LeftOut, Reply

_NO_STORE = "the file store does not answer"


@dataclass(frozen=True, slots=True)
class Output:
    """One delivered file; ``origin`` is the input of which it is a new version."""

    file: FileRecord
    origin: Input | None = None


@dataclass(slots=True)
class Delivery:
    """Files that were delivered, deleted, or could not be delivered."""

    outputs: list[Output] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    failed: list[LeftOut] = field(default_factory=list)


async def collect(store: FileStore, sandbox: Sandbox, session_id: str, inputs: Inputs, reply: Reply) -> Delivery:
    """Store every changed file except read-only inputs.

    A file that cannot be read or stored is listed as failed; the others are delivered.
    """
    delivery = Delivery(failed=[item for item in reply.left_out if item.is_limit])
    for changed in reply.changed:
        origin = inputs.by_path.get(changed.path)
        if origin is not None and origin.file.read_only:
            continue
        if paths.clean(changed.path) != changed.path:  # only a manipulated runner reports such a path
            delivery.failed.append(LeftOut("A file", "its name cannot be one", is_limit=True))
            continue
        try:
            file = await _store_one(store, sandbox, session_id, changed)
        except OSError as error:
            delivery.failed.append(LeftOut(changed.path, error.strerror or "it could not be read", is_limit=True))
        except StoreUnavailable:
            delivery.failed.append(LeftOut(changed.path, _NO_STORE, is_limit=True))
        else:
            delivery.outputs.append(Output(file, origin))
    delivery.deleted = [path for path in reply.deleted if path in inputs.by_path]
    return delivery


def nothing_of(delivery: Delivery) -> Delivery:
    """Return the delivery with all its outputs as failed, for a record that the store did not accept."""
    lost = [LeftOut(output.file.path, _NO_STORE, is_limit=True) for output in delivery.outputs]
    return Delivery(failed=[*delivery.failed, *lost])


async def _store_one(store: FileStore, sandbox: Sandbox, session_id: str, changed: ChangedFile) -> FileRecord:
    file_id = new_id()
    chunks = sandbox.get(changed.path) if changed.content is None else _once(_decoded(changed.content))
    written = await store.write(session_id, file_id, chunks)
    return FileRecord(
        id=file_id, path=changed.path, size=written.size, modified=now(), etag=written.etag,
        content_type=content_type_of(changed.path),
    )  # fmt: skip


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content)
    except binascii.Error as error:
        raise OSError(errno.EBADMSG, "it arrived broken") from error


async def _once(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data


def note_in_record(record: Record, delivery: Delivery, *, is_overtaken: bool = False) -> None:
    """Add the delivery to the session's record: new files, new versions, and deletions (which only hide a file).

    ``is_overtaken`` means that another run of the session ran meanwhile. Then that run's files count as the newer
    versions, and deletions are ignored.
    """
    current = record.by_path()
    for output in delivery.outputs:
        _add(record, output, current, is_overtaken)
    if is_overtaken:
        return
    gone = set(delivery.deleted)
    for file in record.current():
        if file.path in gone:
            record.files[file.id] = file.model_copy(update={"superseded": True})


def _add(record: Record, output: Output, current: dict[str, FileRecord], is_overtaken: bool) -> None:
    file = output.file
    known = {file.id, output.origin.file.id if output.origin else None}
    there = current.get(file.path)
    if is_overtaken and there is not None and there.id not in known:
        record.files[file.id] = file.model_copy(update={"superseded": True})
    else:
        record.add(file, current)


def note_in_lease(lease: Lease, session_id: str, inputs: Inputs, delivery: Delivery, reply: Reply) -> None:
    """Record in the lease which files are now in the workspace.

    A file that was changed but not delivered differs from the stored one, so it is staged again next time.
    """
    note_placed(lease, inputs)
    for path in (*(changed.path for changed in reply.changed), *reply.deleted, *(item.path for item in reply.left_out)):
        lease.staged.pop(path, None)
    lease.staged.update({output.file.path: f"{session_id}/{output.file.id}" for output in delivery.outputs})
