"""Timeline of one run: the duration of its steps, emitted as an event at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Literal, Self

from librechat_code_interpreter.core import request_context
from librechat_code_interpreter.core.errors import ServiceError
from librechat_code_interpreter.core.events import Events, FinishedRun, Seconds
from librechat_code_interpreter.core.ids import new_number
from librechat_code_interpreter.core.inputs import References
from librechat_code_interpreter.core.outputs import Delivery
from librechat_code_interpreter.core.principal import Principal
from librechat_code_interpreter.core.protocols import Staged
from librechat_code_interpreter.core.session_selection import LockedSession
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Reply

PAUSED = "paused"

Step = Literal["lookup", "queue", "sandbox", "stage", "run", "collect", "record"]


class RunTimeline:
    """Collects what happens in one run; as a context manager, emits ``FinishedRun`` at the end, whatever it is."""

    def __init__(
        self, events: Events, principal: Principal, language: str, source_chars: int = 0, run_id: str = ""
    ) -> None:
        self._events = events
        self._principal = principal
        self._language = language
        self._source_chars = source_chars
        self._context = request_context.current() or request_context.RequestContext()
        self._context.run_id = run_id or new_number()
        self._seconds = dict.fromkeys(Seconds._fields, 0.0)
        self._ending = ""
        self._reply: Reply | None = None
        self._delivery: Delivery | None = None
        self._staged_files = self._staged_bytes = 0
        self._sandbox: Literal["kept", "new", ""] = ""
        self._is_follow_up = False
        self._tool_rounds = 0
        self._began = self._lap = time.perf_counter()

    def lap(self, step: Step) -> None:
        """Add the time since the previous call to this step."""
        now = time.perf_counter()
        self._seconds[step] += now - self._lap
        self._lap = now

    def set_session(self, session: LockedSession, references: References) -> None:
        """Record the session, and whether the run follows another one: in its session, or with files from it."""
        self._context.session_id = session.record.id
        before = references.records.values() if session.is_new else (*references.records.values(), session.record)
        self._is_follow_up = any(record.origin == "exec" for record in before)

    def set_resumed(self, session_id: str, rounds: int) -> None:
        """Record that this continues a program after ``rounds`` pauses, in the sandbox where it waits."""
        self._context.session_id, self._tool_rounds, self._sandbox = session_id, rounds, "kept"

    def set_sandbox(self, *, is_new: bool) -> None:
        """Record whether the sandbox is that of the session's previous run."""
        self._sandbox = "new" if is_new else "kept"

    def add_staged(self, files: Sequence[Staged]) -> None:
        """Record which files had to be staged."""
        self._staged_files += len(files)
        self._staged_bytes += sum(item.size for item in files)

    def set_paused(self, run_id: str, rounds: int) -> None:
        """Record that the program paused for tools, and how many pauses it has made."""
        self._ending, self._context.run_id, self._tool_rounds = PAUSED, run_id, rounds

    def set_reply(self, reply: Reply, delivery: Delivery) -> None:
        """Record how the program ended and what was delivered."""
        self._ending, self._reply, self._delivery = reply.ending.value, reply, delivery

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._ending = _ending_of(error)
        self._events.tell(self._finished())

    def _finished(self) -> FinishedRun:
        reply, delivery, context = self._reply or _NO_REPLY, self._delivery or _NO_DELIVERY, self._context
        return FinishedRun(
            at=time.time(),
            request_id=context.request_id,
            run_id=context.run_id,
            principal=self._principal,
            session_id=context.session_id,
            language=self._language,
            ending=self._ending,
            exit_code=reply.code,
            total_seconds=time.perf_counter() - self._began,
            seconds=Seconds(**self._seconds),
            cpu_seconds=reply.cpu_seconds,
            peak_memory_bytes=reply.peak_memory_bytes,
            source_chars=self._source_chars,
            staged_files=self._staged_files,
            staged_bytes=self._staged_bytes,
            output_chars=len(reply.stdout) + len(reply.stderr),
            delivered_files=len(delivery.outputs),
            delivered_bytes=sum(output.file.size for output in delivery.outputs),
            failed_files=len(delivery.failed),
            tool_rounds=self._tool_rounds,
            sandbox=self._sandbox,
            is_follow_up=self._is_follow_up,
        )


_NO_REPLY = Reply(Ending.LOST)
_NO_DELIVERY = Delivery()


def _ending_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return Ending.CANCELLED.value
    return error.code if isinstance(error, ServiceError) else ServiceError.code
