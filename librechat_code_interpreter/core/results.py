"""The result of a run, with the service's notes on stderr."""

from __future__ import annotations

from dataclasses import dataclass

from librechat_code_interpreter.core.file_reads import withhold_damaged_file
from librechat_code_interpreter.core.inputs import Inputs
from librechat_code_interpreter.core.outputs import Delivery
from librechat_code_interpreter.core.stderr_notes import message_of, note_for, with_notes
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Reply


@dataclass(frozen=True, slots=True)
class RunResult:
    """Outcome of a run; ``reply.stderr`` includes the service's own notes."""

    session_id: str
    language: str
    reply: Reply
    message: str | None
    delivery: Delivery


def result_of(
    session_id: str, language: str, reply: Reply, inputs: Inputs, delivery: Delivery, *, reads_one_file: bool = False
) -> RunResult:
    """Build the result, and append the service's own notes to stderr."""
    message = message_of(reply)
    notes = [*inputs.notes, *([message] if message else []), *map(note_for, delivery.failed)]
    if reads_one_file:
        notes = _notes_of_a_read(reply, notes)
    reply.stderr = with_notes(reply.stderr, notes)
    return RunResult(session_id, language, reply, message, delivery)


def _notes_of_a_read(reply: Reply, notes: list[str]) -> list[str]:
    """Add the reason for a withheld file. An empty file gets none: LibreChat would take any note for a failure."""
    is_empty_file = reply.ending is Ending.OK and not reply.stdout
    reason = withhold_damaged_file(reply)
    if reason is not None:
        return [*notes, reason]
    return [] if is_empty_file else notes
