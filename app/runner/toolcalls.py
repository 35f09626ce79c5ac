"""Pause a run while its program waits for tools, and let it go on with the results.

Calls that wait when the program can make no progress by itself go out together. So do, after a second
of processor time, those of a program that keeps busy: it may be waiting in a loop.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import time
from collections.abc import Callable
from typing import Any, Protocol

from app.runner import arguments, kill
from app.runner.messages import Call, Pause, Request, Result, Results
from app.runner.quiescence import Patience, is_asleep
from app.runner.tool_channel import Caller, ToolChannel

_LOOK_SECONDS = 0.001
_LONGEST_LOOK_SECONDS = 0.02
_SHOWN_BYTES = 64 * 1024
_REASON_CHARS = 2000
_MAX_FAILURES = 20
_FAILED = "The tool failed."


class Link(Protocol):
    """Reach whoever asked for the run."""

    def fileno(self) -> int:
        """Give a descriptor that is ready for reading when results have come."""
        ...

    def pause(self, pause: Pause) -> None:
        """Tell of a pause."""
        ...

    def results(self) -> Results | None:
        """Take the results that have come; ``None`` when nobody is there any more."""
        ...


class Gone(Exception):
    """Tell that nobody waits for the run any more, or that it waited for too long."""


class ToolCalls:
    """Stand between the program's calls and whoever answers them; ``watch`` calls it in its loop."""

    def __init__(self, request: Request, link: Link) -> None:
        """Make the door at which the program knocks. Raises ``OSError``."""
        self._limits = request.limits
        self._tools = {tool.function: tool for tool in request.tools or []}
        self._link = link
        self.door = ToolChannel(request.scratch, request.limits.tool_input_bytes)
        self._selector: selectors.BaseSelector | None = None
        self._waiting: dict[str, Caller] = {}
        self._calls: dict[str, Call] = {}
        self._known = 0
        self._taken_bytes = 0
        self._pauses = 0
        self._look_seconds = _LOOK_SECONDS
        self._patience = Patience()
        self._paused_until: float | None = None
        self._deadline = 0.0
        self._failures: list[tuple[str, str]] = []

    # --- what ``watch`` asks -----------------------------------------------------------------------------------------

    def start(self, selector: selectors.BaseSelector, deadline: float) -> None:
        """Take part in a loop; ``deadline`` bounds the time until the first pause."""
        self._selector, self._deadline = selector, deadline
        selector.register(self.door.calls, selectors.EVENT_READ, self._take_calls)
        selector.register(self._link.fileno(), selectors.EVENT_READ, self._take_results)

    def stop(self) -> None:
        """Leave the loop: the program has ended, or is about to."""
        assert self._selector is not None  # noqa: S101  ``start`` came first
        self._selector.unregister(self.door.calls)
        self._selector.unregister(self._link.fileno())
        for caller in self._waiting.values():
            self._forget(caller)
        self._waiting.clear()

    def unseen_failures(self, stderr: bytearray) -> list[str]:
        """Return a line for each failed call of a shell whose message the program kept away from stderr.

        A shell goes on after a failed call unless the program says otherwise, so nothing else would show the failure.
        """
        lines = []
        for name, message in self._failures[:_MAX_FAILURES]:
            if message.encode("utf-8", "replace") not in stderr:
                lines.append(f"The tool {name!r} failed: {' '.join(message.split())[:_REASON_CHARS]}")
        return lines

    def close(self) -> None:
        """Let the door go."""
        self.door.close()

    @property
    def deadline(self) -> float:
        """Say until when the program may compute; while it is paused, for ever."""
        return self._deadline if self._paused_until is None else float("inf")

    @property
    def patience(self) -> float:
        """Say for how long (seconds) the loop may sleep before ``look``."""
        if self._paused_until is not None:
            return max(0.0, self._paused_until - time.monotonic())
        return self._look_seconds if self._calls else float("inf")

    def look(self, stdout: bytearray, stderr: bytearray) -> None:
        """Pause when it is time to. Raises ``Gone`` when a pause has lasted too long."""
        if self._paused_until is not None:
            if time.monotonic() >= self._paused_until:
                raise Gone
            return
        if not self._calls:
            return
        own = os.getpid()
        if not is_asleep(own) and not self._patience.is_over(own):
            self._look_seconds = min(2 * self._look_seconds, _LONGEST_LOOK_SECONDS)
            return
        assert self._selector is not None  # noqa: S101  ``start`` came first
        if self._selector.select(0):
            return  # it said more before it fell asleep, or made room for the rest of an answer
        kill.stop_all()
        self._pauses += 1
        self._paused_until = time.monotonic() + self._limits.pause_seconds
        calls = [self._calls[call_id] for call_id in sorted(self._calls)]
        self._link.pause(Pause(self._pauses, calls, _shown(stdout), _shown(stderr)))

    # --- calls come --------------------------------------------------------------------------------------------------

    def _take_calls(self, _: int) -> None:
        for caller in self.door.callers():
            if not self._calls:
                self._patience.begin()
            self._look_seconds = _LOOK_SECONDS
            refusal = self._admit(caller)
            if refusal is not None:
                self._refuse(caller, refusal)

    def _admit(self, caller: Caller) -> str | None:
        """Note a call; or say why it cannot be made, so that nobody has to ask."""
        tool = self._tools.get(caller.function)
        if tool is None:
            return f"{caller.function[:80]!r} is no tool of this run"
        if self._known >= self._limits.tool_calls:
            return f"a run can make {self._limits.tool_calls} tool calls at most"
        try:
            values = _object(caller.arguments)
        except ValueError as error:
            return f"{tool.function}: {error}"
        self._taken_bytes += len(caller.arguments or b"")
        if self._taken_bytes > self._limits.tool_inputs_bytes:
            return f"the arguments of all calls of a run can take {self._limits.tool_inputs_bytes} bytes at most"
        self._known += 1
        call_id = f"call_{self._known:03d}"
        self._waiting[call_id], self._calls[call_id] = caller, Call(call_id, tool.name, values)
        self._watch(caller, lambda _: self._withdraw(call_id))
        return None

    def _refuse(self, caller: Caller, reason: str) -> None:
        """Say no. A pipe that has no room for so little was never meant to be read."""
        caller.answer(_body(caller, Result("", is_error=True, error_message=reason[:_REASON_CHARS])), is_error=True)
        caller.send()
        caller.close()

    def _withdraw(self, call_id: str) -> None:
        """Forget a call whose maker reads no longer: it was cancelled, or its process ended."""
        self._calls.pop(call_id, None)
        self._forget(self._waiting.pop(call_id))

    # --- results come ------------------------------------------------------------------------------------------------

    def _take_results(self, _: int) -> None:
        results = self._link.results()
        if results is None:
            raise Gone
        if results.number != self._pauses or self._paused_until is None:
            return  # the answer to a pause that is over
        self._paused_until = None
        self._deadline = time.monotonic() + self._limits.wall_seconds
        self._patience.begin()
        self._look_seconds = _LOOK_SECONDS
        for result in results.results:
            if self._calls.pop(result.call_id, None) is not None:
                self._answer(result.call_id, result)
        kill.continue_all()

    def _answer(self, call_id: str, result: Result) -> None:
        caller = self._waiting[call_id]
        if result.is_error and caller.wants_text:
            self._failures.append((self._tools[caller.function].name, result.error_message or _FAILED))
        caller.answer(_body(caller, result), is_error=result.is_error)
        self._send(call_id)

    def _send(self, call_id: str) -> None:
        caller = self._waiting[call_id]
        if caller.send():
            del self._waiting[call_id]
            self._forget(caller)
        else:
            self._watch(caller, lambda _: self._send(call_id), selectors.EVENT_WRITE)

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _watch(self, caller: Caller, then: Callable[[int], None], events: int = selectors.EVENT_READ) -> None:
        """Hear when a caller's pipe takes more, or has lost its reader (which counts as any event)."""
        assert self._selector is not None  # noqa: S101  calls come through the loop
        if caller.pipe in self._selector.get_map():
            self._selector.modify(caller.pipe, events, then)
        else:
            self._selector.register(caller.pipe, events, then)

    def _forget(self, caller: Caller) -> None:
        assert self._selector is not None  # noqa: S101  calls come through the loop
        if caller.pipe in self._selector.get_map():
            self._selector.unregister(caller.pipe)
        caller.close()


def _object(text: bytes | None) -> dict[str, Any]:
    """Read a call's arguments. Raises ``ValueError`` with the reason."""
    if text is None:
        raise ValueError("the arguments are too large")
    try:
        values = json.loads(text.strip() or b"{}", parse_constant=_no_constant, parse_float=_finite)
    except ValueError:
        raise ValueError("the argument is not valid JSON") from None
    except RecursionError:
        raise ValueError("the argument is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("the argument must be one JSON object")
    if arguments.is_too_deep(values):
        raise ValueError("the argument is nested too deeply")
    return values


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    """Read a number; one that only fits as infinity could not be passed on as JSON."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _body(caller: Caller, result: Result) -> bytes:
    """Write what the caller reads: JSON for Python; for a shell, text as it is and everything else as compact JSON."""
    if result.is_error:
        text = result.error_message or _FAILED
    elif caller.wants_text and isinstance(result.result, str):
        text = result.result
    else:
        text = json.dumps(result.result, ensure_ascii=not caller.wants_text, separators=(",", ":"))
    end = "\n" if caller.wants_text else ""  # in one piece with the text, for jobs that print at the same time
    return (text + end).encode("utf-8", "replace")


def _shown(output: bytearray) -> str:
    """Give what was printed so far, the last of it when it is much."""
    return output[-_SHOWN_BYTES:].decode("utf-8", "replace")
