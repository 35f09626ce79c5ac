"""Tell how a run went."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.file_reads import withhold_damaged_file
from app.core.inputs import Inputs
from app.core.outputs import Delivery
from app.core.stderr_notes import message_of, note_for, with_notes
from app.runner.endings import Ending
from app.runner.messages import Reply


@dataclass(frozen=True, slots=True)
class RunResult:
    """Tell how the run went; ``reply.stderr`` already holds the service's own notes."""

    session_id: str
    language: str
    reply: Reply
    message: str | None
    delivery: Delivery


def result_of(
    session_id: str, language: str, reply: Reply, inputs: Inputs, delivery: Delivery, *, reads_one_file: bool = False
) -> RunResult:
    """Put a result together, with the service's own notes on stderr."""
    message = message_of(reply)
    notes = [*inputs.notes, *([message] if message else []), *map(note_for, delivery.failed)]
    if reads_one_file:
        notes = _notes_of_a_read(reply, notes)
    reply.stderr = with_notes(reply.stderr, notes)
    return RunResult(session_id, language, reply, message, delivery)


def _notes_of_a_read(reply: Reply, notes: list[str]) -> list[str]:
    """Add why the file is not shown. An empty file was read well: LibreChat would take any note for a failure."""
    is_empty_file = reply.ending is Ending.OK and not reply.stdout
    reason = withhold_damaged_file(reply)
    if reason is not None:
        return [*notes, reason]
    return [] if is_empty_file else notes
