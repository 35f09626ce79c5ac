"""Tell how a run went."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.outputs import Delivery
from app.core.staging import Inputs
from app.core.words import message_of, note_for, with_notes
from app.runner.messages import Reply


@dataclass(frozen=True, slots=True)
class RunResult:
    """Tell how the run went; ``reply.stderr`` already holds the service's own notes."""

    session_id: str
    language: str
    reply: Reply
    message: str | None
    delivery: Delivery


def result_of(session_id: str, language: str, reply: Reply, inputs: Inputs, delivery: Delivery) -> RunResult:
    """Put a result together, with the service's own notes on stderr."""
    message = message_of(reply)
    notes = [*inputs.notes, *([message] if message else []), *map(note_for, delivery.failed)]
    reply.stderr = with_notes(reply.stderr, notes)
    return RunResult(session_id, language, reply, message, delivery)
