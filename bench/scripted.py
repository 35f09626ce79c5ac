"""Serve the real application on an engine that answers at once: what is left is the service's own share of a request.

Run as `python -m bench.scripted`, with HOST and PORT as `python -m app serve` has them, and pinned to one processor.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

import uvicorn

from librechat_code_interpreter import process_tuning
from librechat_code_interpreter.api.connection_limits import BoundedConnection
from librechat_code_interpreter.core.ids import new_id
from librechat_code_interpreter.core.protocols import Staged
from librechat_code_interpreter.main import create_app
from librechat_code_interpreter.runner.endings import Ending
from librechat_code_interpreter.runner.messages import Reply, Request
from librechat_code_interpreter.settings import load_settings


class ScriptedSandbox:
    """Answer every program with the same reply."""

    def __init__(self) -> None:
        self.id = new_id()

    async def put(self, files: Sequence[Staged]) -> dict[str, str]:
        """Take everything."""
        return {}

    async def get(self, path: str) -> AsyncIterator[bytes]:
        """Return nothing: no program leaves a file."""
        nothing: tuple[bytes, ...] = ()
        for chunk in nothing:
            yield chunk

    async def exchange(self, request: Request) -> Reply:
        """Answer at once; readiness asks for 6*7."""
        printed = "42\n" if "6*7" in request.program.source else "4\n"
        return Reply(Ending.OK, code=0, stdout=printed, nonce=request.nonce)

    begin = exchange


class ScriptedEngine:
    """An engine whose sandboxes answer at once."""

    name = "scripted"
    isolation = "none"
    warnings: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._sandboxes: dict[str, ScriptedSandbox] = {}

    async def open(self) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""

    async def create(self) -> ScriptedSandbox:
        """Make one."""
        sandbox = ScriptedSandbox()
        self._sandboxes[sandbox.id] = sandbox
        return sandbox

    async def find(self, sandbox_id: str) -> ScriptedSandbox | None:
        """Return one again."""
        return self._sandboxes.get(sandbox_id)

    async def destroy(self, sandbox_id: str) -> None:
        """Forget one."""
        self._sandboxes.pop(sandbox_id, None)

    async def sweep(self, leased: set[str], *, leads: bool = True) -> int:
        """Return no orphans."""
        return 0


def main() -> None:
    """Serve on the last processor alone; the client has the others."""
    settings = load_settings()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    engine: Any = ScriptedEngine()
    app = create_app(settings, engine)
    process_tuning.spare_the_collector()
    uvicorn.run(
        app, host=settings.host, port=settings.port, log_level="warning", access_log=False, http=BoundedConnection
    )


if __name__ == "__main__":
    main()
