"""Languages available in a sandbox, with the program of each."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from librechat_code_interpreter.core.languages import LANGUAGES, Language
from librechat_code_interpreter.core.protocols import Engine, Sandbox
from librechat_code_interpreter.runner.messages import Limits, Program, Request

_FRESH_SECONDS = 600.0
_LOOK_SECONDS = 30.0
_LOOK = 'for tool in "$@"; do command -v "$tool" || echo; done'


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Path of a language's program in the sandbox; ``None`` if it is missing."""

    language: Language
    path: str | None


async def look(sandbox: Sandbox) -> list[Toolchain]:
    """Look up the programs of all languages with one run. Raises ``EngineUnavailable``."""
    tools = [language.tool for language in LANGUAGES]
    program = Program(_LOOK, "main.sh", "scratch", run=["bash", "{source}"], args=tools, language="bash")
    reply = await sandbox.exchange(Request(program, Limits(wall_seconds=_LOOK_SECONDS)))
    paths = reply.stdout.splitlines() if reply.code == 0 else []
    paths += [""] * (len(tools) - len(paths))
    return [Toolchain(language, path or None) for language, path in zip(LANGUAGES, paths, strict=True)]


class Toolchains:
    """Looks up toolchains in a sandbox of its own, at most once in ten minutes however many requests ask."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._found: list[Toolchain] = []
        self._looked_at = float("-inf")
        self._turn = asyncio.Lock()

    async def look(self) -> list[Toolchain]:
        """Return the toolchains found. Raises ``EngineUnavailable``."""
        async with self._turn:
            if time.monotonic() - self._looked_at > _FRESH_SECONDS:
                self._found = await self._look()
                self._looked_at = time.monotonic()
            return self._found

    async def _look(self) -> list[Toolchain]:
        sandbox = await self._engine.create()
        try:
            return await look(sandbox)
        finally:
            await self._engine.destroy(sandbox.id)
