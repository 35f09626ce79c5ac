"""Give the runner in a sandbox an order and hear its answer: one ``process.exec``, one frame."""

from __future__ import annotations

import json
import secrets
from typing import Any

from daytona import AsyncSandbox, DaytonaError, FileUpload

from app.core.errors import Unavailable
from app.engines.daytona import bootstrap, errors
from app.engines.daytona.calls import Calls
from app.runner.frame import unwrap

KiB = 1024

HEREDOC_BYTES = 64 * KiB
"""The largest order that goes with the command; a larger one is uploaded first."""

UPLOAD_SECONDS = 60
_SHOWN_CHARACTERS = 300


class NotStarted(Exception):
    """Tell that the order was certainly not begun."""


class OutcomeUnknown(Exception):
    """Tell that no answer came; the order may have been begun, or not, or be done."""


class Pipe:
    """Talk to the runner of one sandbox."""

    def __init__(self, remote: AsyncSandbox, runner: str, calls: Calls) -> None:
        self.remote = remote
        self.calls = calls
        self._runner = runner

    async def order(self, verb: str, seconds: int, nonce: str | None = None, **fields: Any) -> dict[str, Any]:
        """Do one thing, within so many seconds. Raises ``NotStarted``, ``OutcomeUnknown`` or ``Unavailable``."""
        nonce = nonce or new_nonce()
        order = {"verb": verb, "nonce": nonce, "home": bootstrap.HOME, "workspace": bootstrap.WORKSPACE, **fields}
        command = await self._command(json.dumps(order), nonce)
        output = await self.shell(command, seconds)
        message = unwrap(output, nonce)
        if message is None:
            raise OutcomeUnknown(f"no whole answer, but {len(output)} characters")
        try:
            answer = json.loads(message)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise OutcomeUnknown("an answer that is none")
        return answer

    async def _command(self, order: str, nonce: str) -> str:
        """Write the command: the runner takes the shell's place, and its order comes from the command or a file."""
        if len(order) <= HEREDOC_BYTES:
            return f"exec python3 {self._runner} <<'{nonce}'\n{order}\n{nonce}\n"
        path = f"{bootstrap.HOME}/order-{nonce}"
        try:
            with self.calls.timed("upload"):
                await self.remote.fs.upload_files([FileUpload(order.encode("ascii"), path)], timeout=UPLOAD_SECONDS)
        except DaytonaError as error:
            raise _trouble_before(error) from error
        return f"exec python3 {self._runner} {path}"

    async def shell(self, command: str, seconds: int) -> str:
        """Run a shell command and give its merged output, whatever its exit code."""
        try:
            with self.calls.timed("exec"):
                return (await self.remote.process.exec(command, timeout=seconds)).result
        except DaytonaError as error:
            if errors.has_certainly_not_started(error):
                raise _trouble_before(error) from error
            raise OutcomeUnknown(told(error)) from error

    async def succeeds(self, command: str, seconds: int) -> bool:
        """Tell whether a shell command ran and ended with 0; ``False`` also when nobody knows."""
        try:
            with self.calls.timed("exec"):
                return (await self.remote.process.exec(command, timeout=seconds)).exit_code == 0
        except DaytonaError:
            return False


def _trouble_before(error: DaytonaError) -> Exception:
    """Sort an error that came before anything ran: a limit of the account, or the sandbox."""
    if errors.is_about_the_sandbox(error):
        return NotStarted(told(error))
    trouble: Unavailable = errors.refusal(error, "reach the sandbox")
    return trouble


def told(error: DaytonaError) -> str:
    """Describe an error for the log. Of its words only a proxy's: others may quote the program, or what it printed."""
    kind = f"{type(error).__name__} {error.status_code}"
    return f"{kind}: {shown(str(error))}" if error.status_code in (502, 503) else kind


def new_nonce() -> str:
    """Give a secret that a program cannot guess."""
    return secrets.token_hex(16)


def shown(output: str) -> str:
    """Shorten what a sandbox said, for the log."""
    text = " ".join(output.split())
    return repr(text[-_SHOWN_CHARACTERS:])
