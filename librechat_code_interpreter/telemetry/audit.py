"""Audit log, one line per run: caller, session, ending, duration and sizes, never the code.

Lines go directly to the log's stream: a record of ``logging`` takes three times as long, in every run.
"""

from __future__ import annotations

from collections.abc import Callable

from librechat_code_interpreter.core.events import Events, FinishedRun
from librechat_code_interpreter.telemetry.logs import Line

_MAX_NAME_CHARS = 128


class AuditLog:
    """Writes an audit line for each finished run."""

    def __init__(self, events: Events, line: Line, write: Callable[[str], object]) -> None:
        self._line = line
        self._write = write
        events.on(FinishedRun, self._run)

    def _run(self, run: FinishedRun) -> None:
        principal, seconds = run.principal, run.seconds
        fields = {
            "request_id": run.request_id,
            "session_id": run.session_id,
            "run_id": run.run_id,
            "tenant": _truncate(principal.tenant),
            "user": _truncate(principal.user),
            "credential": principal.method,
            "language": run.language,
            "ending": run.ending,
            "exit_code": run.exit_code,
            "seconds": round(run.total_seconds, 4),
            "queue_seconds": round(seconds.queue, 4),
            "run_seconds": round(seconds.run, 4),
            "source_chars": run.source_chars,
            "staged_files": run.staged_files,
            "staged_bytes": run.staged_bytes,
            "output_chars": run.output_chars,
            "delivered_files": run.delivered_files,
            "delivered_bytes": run.delivered_bytes,
            "tool_rounds": run.tool_rounds,
            "sandbox": run.sandbox,
        }
        self._write(self._line(run.at, "INFO", "librechat_code_interpreter.audit", "run", fields) + "\n")


def _truncate(name: str | None) -> str | None:
    """Truncate a name that is not proved and may contain anything."""
    return name[:_MAX_NAME_CHARS] if name else None
