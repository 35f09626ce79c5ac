"""The result of a run, with the service's notes for the model on stderr (K15, K18, K21)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from librechat_code_interpreter.core.cat_output import withhold_damaged_file
from librechat_code_interpreter.core.inputs import Inputs
from librechat_code_interpreter.core.outputs import Delivery
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import LeftOut, Reply

STATUS = {
    Ending.TIME: "TO",
    Ending.OUTPUT: "OL",
    Ending.SIGNAL: "SG",
    Ending.MEMORY: "SG",
    Ending.LOST: "SG",
    Ending.CANCELLED: "SG",
}
"""The answer's ``status`` by ending (K19); an ordinary exit has none."""


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
    """Build the result; the notes on inputs come first, then the message, then undelivered files."""
    message = _message_of(reply)
    notes = [*inputs.notes, *([message] if message else []), *map(_note_for, delivery.failed)]
    if reads_one_file:
        notes = _notes_of_a_read(reply, notes)
    reply.stderr = _with_notes(reply.stderr, notes)
    return RunResult(session_id, language, reply, message, delivery)


def _notes_of_a_read(reply: Reply, notes: list[str]) -> list[str]:
    """Add the reason for a withheld file. An empty file gets none: LibreChat would take any note for a failure."""
    is_empty_file = reply.ending is Ending.OK and not reply.stdout
    reason = withhold_damaged_file(reply)
    if reason is not None:
        return [*notes, reason]
    return [] if is_empty_file else notes


def _message_of(reply: Reply) -> str | None:
    """Return the reason of an early end, or of a failure without output on stderr; ``None`` for other endings."""
    match reply.ending:
        case Ending.TIME:
            return "Time limit exceeded"
        case Ending.MEMORY:
            return "Memory limit exceeded"
        case Ending.OUTPUT:
            return f"{reply.overflowed or 'stdout'} length exceeded"
        case Ending.SIGNAL:
            return f"Killed by signal {reply.signal}"
        case Ending.LOST:
            return "The sandbox died while the program ran. It may have had effects; it was not run again"
        case Ending.CANCELLED:
            return "The service was stopped while the program ran. It may have had effects; it was not run again"
        case Ending.EXIT if not reply.stderr.strip():
            return f"Exited with code {reply.code}"
        case _:
            return None


def _with_notes(stderr: str, notes: Iterable[str]) -> str:
    """Append the notes to a program's stderr; each of their lines starts with ``[sandbox]``."""
    lines = "".join(f"[sandbox] {note}\n" for note in notes)
    separator = "\n" if stderr and lines and not stderr.endswith("\n") else ""
    return stderr + separator + lines


def _note_for(item: LeftOut) -> str:
    """Return the note on a file that was not delivered."""
    return f"{item.path or 'The workspace'} was not delivered: {item.reason}."
