"""Requests to the runner in a sandbox: one ``process.exec``, one reply frame."""

from __future__ import annotations

import json
import secrets
from typing import Any

from daytona import AsyncSandbox, DaytonaError, FileUpload

from librechat_code_interpreter.core.errors import Unavailable
from librechat_code_interpreter.engines.daytona import bootstrap, errors
from librechat_code_interpreter.engines.daytona.calls import Calls
from librechat_code_interpreter.runner.frame import unwrap

KiB = 1024

HEREDOC_BYTES = 64 * KiB
"""Largest order sent with the command; a larger one is uploaded first."""

UPLOAD_SECONDS = 60
_SHOWN_CHARACTERS = 300


class NotStarted(Exception):
    """The order was certainly not started."""


class OutcomeUnknown(Exception):
    """No reply arrived; the order may be unstarted, running or finished."""


class Pipe:
    """Channel to the runner of one sandbox."""

    def __init__(self, remote: AsyncSandbox, runner: str, calls: Calls) -> None:
        self.remote = remote
        self.calls = calls
        self._runner = runner

    async def order(self, verb: str, seconds: int, nonce: str | None = None, **fields: Any) -> dict[str, Any]:
        """Send one order and wait up to ``seconds``. Raises ``NotStarted``, ``OutcomeUnknown`` or ``Unavailable``."""
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
        """Build the command: the runner replaces the shell and reads its order from a heredoc or a file."""
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
        """Run a shell command and return its merged output, whatever its exit code."""
        try:
            with self.calls.timed("exec"):
                return (await self.remote.process.exec(command, timeout=seconds)).result
        except DaytonaError as error:
            if errors.has_certainly_not_started(error):
                raise _trouble_before(error) from error
            raise OutcomeUnknown(told(error)) from error

    async def succeeds(self, command: str, seconds: int) -> bool:
        """Return whether a shell command exited with 0; ``False`` also when the outcome is unknown."""
        try:
            with self.calls.timed("exec"):
                return (await self.remote.process.exec(command, timeout=seconds)).exit_code == 0
        except DaytonaError:
            return False


def _trouble_before(error: DaytonaError) -> Exception:
    """Classify an error from before anything ran: a limit of the account, or a fault of the sandbox."""
    if errors.is_about_the_sandbox(error):
        return NotStarted(told(error))
    trouble: Unavailable = errors.refusal(error, "reach the sandbox")
    return trouble


def told(error: DaytonaError) -> str:
    """Format an error for the log. Only a proxy's text is included: other texts may quote the program or its output."""
    kind = f"{type(error).__name__} {error.status_code}"
    return f"{kind}: {shown(str(error))}" if error.status_code in (502, 503) else kind


def new_nonce() -> str:
    """Return a secret that a program cannot guess."""
    return secrets.token_hex(16)


def shown(output: str) -> str:
    """Shorten a sandbox's output for the log."""
    text = " ".join(output.split())
    return repr(text[-_SHOWN_CHARACTERS:])
