"""Tool calls of a run: pauses while its program waits for tools, and continues it with the results.

All pending calls are sent together when the program can make no progress by itself. Those of a program that stays busy
are sent after a second of CPU time, or 10 s: it may be waiting in a loop.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import time
from collections.abc import Callable
from typing import Any, Protocol

from librechat_code_interpreter.runner import arguments, kill
from librechat_code_interpreter.runner.messages import Call, Pause, Request, Result, Results
from librechat_code_interpreter.runner.quiescence import Patience, is_asleep
from librechat_code_interpreter.runner.tool_channel import Caller, ToolChannel

_LOOK_SECONDS = 0.001
_LONGEST_LOOK_SECONDS = 0.02
_SHOWN_BYTES = 64 * 1024
_REASON_CHARS = 2000
_MAX_FAILURES = 20
_FAILED = "The tool failed."


class Link(Protocol):
    """Connection to the client that requested the run."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when results have arrived."""
        ...

    def pause(self, pause: Pause) -> None:
        """Report a pause."""
        ...

    def results(self) -> Results | None:
        """Read the results that have arrived; return ``None`` if the client is gone."""
        ...


class Gone(Exception):
    """The client no longer waits for the run, or a pause lasted too long."""


class ToolCalls:
    """Relay between the program's calls and the client that answers them; ``watch`` calls it in its loop."""

    def __init__(self, request: Request, link: Link) -> None:
        """Create the tool channel. Raises ``OSError``."""
        self._limits = request.limits
        self._tools = {tool.function: tool for tool in request.tools or []}
        self._link = link
        self.channel = ToolChannel(request.scratch, request.limits.tool_input_bytes)
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

    # --- called by ``watch`` -----------------------------------------------------------------------------------------

    def start(self, selector: selectors.BaseSelector, deadline: float) -> None:
        """Register with the loop; ``deadline`` limits the time until the first pause."""
        self._selector, self._deadline = selector, deadline
        selector.register(self.channel.calls, selectors.EVENT_READ, self._take_calls)
        selector.register(self._link.fileno(), selectors.EVENT_READ, self._take_results)

    def stop(self) -> None:
        """Unregister from the loop: the program has ended, or is about to."""
        assert self._selector is not None  # noqa: S101  ``start`` came first
        self._selector.unregister(self.channel.calls)
        self._selector.unregister(self._link.fileno())
        for caller in self._waiting.values():
            self._forget(caller)
        self._waiting.clear()

    def unseen_failures(self, stderr: bytearray) -> list[str]:
        """Return a line for each failed call of a shell whose message the program kept from stderr.

        A shell continues after a failed call unless the program prevents it, so nothing else would show the failure.
        """
        lines = []
        for name, message in self._failures[:_MAX_FAILURES]:
            if message.encode("utf-8", "replace") not in stderr:
                lines.append(f"The tool {name!r} failed: {' '.join(message.split())[:_REASON_CHARS]}")
        return lines

    def close(self) -> None:
        self.channel.close()

    @property
    def deadline(self) -> float:
        """End of the program's computing time (``time.monotonic``); infinite during a pause."""
        return self._deadline if self._paused_until is None else float("inf")

    @property
    def patience(self) -> float:
        """Maximum sleep of the loop (seconds) before it calls ``look``."""
        if self._paused_until is not None:
            return max(0.0, self._paused_until - time.monotonic())
        return self._look_seconds if self._calls else float("inf")

    def look(self, stdout: bytearray, stderr: bytearray) -> None:
        """Start a pause if it is due. Raises ``Gone`` if a pause has lasted too long."""
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
            return  # the program wrote more before it slept, or made room for the rest of an answer
        kill.stop_all()
        self._pauses += 1
        self._paused_until = time.monotonic() + self._limits.pause_seconds
        calls = [self._calls[call_id] for call_id in sorted(self._calls)]
        self._link.pause(Pause(self._pauses, calls, _shown(stdout), _shown(stderr)))

    # --- incoming calls ----------------------------------------------------------------------------------------------

    def _take_calls(self, _: int) -> None:
        for caller in self.channel.callers():
            if not self._calls:
                self._patience.begin()
            self._look_seconds = _LOOK_SECONDS
            refusal = self._admit(caller)
            if refusal is not None:
                self._refuse(caller, refusal)

    def _admit(self, caller: Caller) -> str | None:
        """Record a call; or return why it is refused, so that the client is not asked."""
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
        """Send a refusal; a pipe without room for so few bytes was never meant to be read."""
        caller.answer(_body(caller, Result("", is_error=True, error_message=reason[:_REASON_CHARS])), is_error=True)
        caller.send()
        caller.close()

    def _withdraw(self, call_id: str) -> None:
        """Remove a call whose caller no longer reads: it was cancelled, or its process ended."""
        self._calls.pop(call_id, None)
        self._forget(self._waiting.pop(call_id))

    # --- incoming results --------------------------------------------------------------------------------------------

    def _take_results(self, _: int) -> None:
        results = self._link.results()
        if results is None:
            raise Gone
        if results.number != self._pauses or self._paused_until is None:
            return  # results for a pause that is over
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

    # --- event loop --------------------------------------------------------------------------------------------------

    def _watch(self, caller: Caller, then: Callable[[int], None], events: int = selectors.EVENT_READ) -> None:
        """Call ``then`` if a caller's pipe accepts more, or has lost its reader (which counts as any event)."""
        assert self._selector is not None  # noqa: S101  calls arrive through the loop
        if caller.pipe in self._selector.get_map():
            self._selector.modify(caller.pipe, events, then)
        else:
            self._selector.register(caller.pipe, events, then)

    def _forget(self, caller: Caller) -> None:
        assert self._selector is not None  # noqa: S101  calls arrive through the loop
        if caller.pipe in self._selector.get_map():
            self._selector.unregister(caller.pipe)
        caller.close()


def _object(text: bytes | None) -> dict[str, Any]:
    """Parse a call's arguments. Raises ``ValueError`` with the reason."""
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
    """Parse a number. Raises ``ValueError`` for one that becomes infinity, which JSON cannot represent."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def _body(caller: Caller, result: Result) -> bytes:
    """Return what the caller reads: JSON for Python; for a shell, text unchanged and other values as compact JSON."""
    if result.is_error:
        text = result.error_message or _FAILED
    elif caller.wants_text and isinstance(result.result, str):
        text = result.result
    else:
        text = json.dumps(result.result, ensure_ascii=not caller.wants_text, separators=(",", ":"))
    end = "\n" if caller.wants_text else ""  # in one write with the text, for jobs that print at the same time
    return (text + end).encode("utf-8", "replace")


def _shown(output: bytearray) -> str:
    """Return the output so far, only the last ``_SHOWN_BYTES`` if it is longer."""
    return output[-_SHOWN_BYTES:].decode("utf-8", "replace")
