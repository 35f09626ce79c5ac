"""Checks of the machine and the configuration; each result is one line with cause and remedy."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from librechat_code_interpreter.core.errors import ServiceError
from librechat_code_interpreter.core.languages import ALWAYS, Language
from librechat_code_interpreter.core.protocols import Engine, EngineUnfit
from librechat_code_interpreter.core.readiness import WrongAnswer, compute
from librechat_code_interpreter.core.toolchains import look
from librechat_code_interpreter.settings import Settings, SettingsError
from librechat_code_interpreter.wiring import make_engine, make_store

_MARKS = {"ok": "ok   ", "warn": "warn ", "fail": "FAIL "}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; ``fail``: the service cannot work, ``warn``: it works with limits."""

    mark: str
    what: str
    text: str

    def __str__(self) -> str:
        return f"{_MARKS[self.mark]} {self.what:<18} {self.text}"


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Check one part after the other; the last check runs a real program on the engine."""
    yield Finding("ok", "python", sys.version.split()[0])
    yield _credentials(settings)
    if settings.engine == "local":
        from librechat_code_interpreter.engines.local.doctor import examine

        for mark, what, text in examine(settings.runtime):
            yield Finding(mark, what, text)
    yield await _store(settings)
    async for finding in _engine(settings):
        yield finding


def _credentials(settings: Settings) -> Finding:
    if settings.adapter_auth == "none":
        return Finding("warn", "credentials", "ADAPTER_AUTH=none: anybody who reaches the service may use it")
    if settings.has_credential:
        return Finding("ok", "credentials", "configured")
    return Finding("warn", "credentials", "none yet; `make run` makes a key, or set ADAPTER_API_KEY")


async def _store(settings: Settings) -> Finding:
    try:
        await make_store(settings).probe()
    except SettingsError as error:
        return Finding("fail", "file store", str(error))
    except ServiceError as error:
        return Finding("fail", "file store", f"{error} Check FILE_STORE_URL: it must be writable.")
    return Finding("ok", "file store", "written, read and deleted an object")


async def _engine(settings: Settings) -> AsyncIterator[Finding]:
    try:
        engine = make_engine(settings)
        await engine.open()
    except EngineUnfit as error:
        yield Finding("fail", "engine", str(error))
        return
    try:
        await compute(await engine.create())
        yield Finding("ok", "engine", f"{engine.name}: a program computed 42")
        for warning in engine.warnings:
            yield Finding("warn", "engine", warning)
        if settings.engine == "local" and not any("isolation" in warning for warning in engine.warnings):
            yield Finding("ok", "canary", "a program tried to get out of its sandbox and could not")
        async for finding in _languages(engine):
            yield finding
    except (ServiceError, WrongAnswer) as error:
        yield Finding("fail", "engine", str(error))
    finally:
        await engine.close()


async def _languages(engine: Engine) -> AsyncIterator[Finding]:
    """Check for every language's tool inside a sandbox."""
    for toolchain in await look(await engine.create()):
        language = toolchain.language
        what = f"language {language.name}"
        if toolchain.path:
            yield Finding("ok", what, toolchain.path)
        elif language.name in ALWAYS and not engine.warnings:
            yield Finding("fail", what, f"{language.tool} is missing in the sandbox runtime. Run `make install`.")
        else:
            yield Finding("warn", what, f"{language.tool} is missing; its programs report that. {_cure(language)}")


def _cure(language: Language) -> str:
    if not language.packages:
        return "Cure: `make install`"
    return f"Cure: `make languages` (Debian: {' '.join(language.packages)})"
