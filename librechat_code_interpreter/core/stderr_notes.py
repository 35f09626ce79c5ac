"""Messages for the model on stderr (K15, K18, K21); each line starts with ``[sandbox]``."""

from __future__ import annotations

from collections.abc import Iterable

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


def message_of(reply: Reply) -> str | None:
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


def with_notes(stderr: str, notes: Iterable[str]) -> str:
    """Append the service's own lines to a program's stderr."""
    lines = "".join(f"[sandbox] {note}\n" for note in notes)
    separator = "\n" if stderr and lines and not stderr.endswith("\n") else ""
    return stderr + separator + lines


def note_for(item: LeftOut) -> str:
    """Return the note on a file that was not delivered."""
    return f"{item.path or 'The workspace'} was not delivered: {item.reason}."
