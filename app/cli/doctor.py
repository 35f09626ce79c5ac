"""Examine the machine and the configuration; each finding in a line, with cause and cure."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from app.core.errors import ServiceError
from app.core.languages import LANGUAGES
from app.core.ports import Engine, EngineUnfit
from app.core.readiness import WrongAnswer, compute
from app.main import EX_CONFIG
from app.runner.messages import Limits, Program, Request
from app.settings import Settings, SettingsError, load_settings
from app.wiring import make_engine, make_store, runtime_of

_ALWAYS = frozenset({"py", "js", "ts", "bash"})
_MARKS = {"ok": "ok   ", "warn": "warn ", "fail": "FAIL "}


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold one line of the report; a ``fail`` keeps the service from working, a ``warn`` narrows it."""

    mark: str
    what: str
    text: str

    def __str__(self) -> str:
        return f"{_MARKS[self.mark]} {self.what:<18} {self.text}"


def add_to(commands: Any) -> None:
    """Add ``doctor`` to the command line."""
    parser = commands.add_parser("doctor", help="examine this machine and the settings, and say what to mend")
    parser.add_argument("--quick", action="store_true", help="only compute 42 and probe the store; for health checks")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings as they come; give 0 when the service can work here, else 1."""
    try:
        settings = load_settings(serving=False)
    except SettingsError as error:
        print(Finding("fail", "settings", str(error)))
        return EX_CONFIG
    return asyncio.run(_report(settings, quick=arguments.quick))


async def _report(settings: Settings, *, quick: bool) -> int:
    failed = False
    async for finding in _findings(settings, quick=quick):
        print(finding, flush=True)
        failed = failed or finding.mark == "fail"
    return int(failed)


async def _findings(settings: Settings, *, quick: bool) -> AsyncIterator[Finding]:
    if not quick:
        yield Finding("ok", "python", sys.version.split()[0])
        yield _credentials(settings)
        if settings.engine == "local":
            from app.engines.local.machine import examine

            for mark, what, text in examine(runtime_of(settings)):
                yield Finding(mark, what, text)
    yield await _store(settings)
    async for finding in _engine(settings, quick=quick):
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


async def _engine(settings: Settings, *, quick: bool) -> AsyncIterator[Finding]:
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
        if not quick:
            async for finding in _languages(engine):
                yield finding
    except (ServiceError, WrongAnswer) as error:
        yield Finding("fail", "engine", str(error))
    finally:
        await engine.close()


async def _languages(engine: Engine) -> AsyncIterator[Finding]:
    """Look for every language's tool inside a sandbox."""
    sandbox = await engine.create()
    for language in LANGUAGES:
        tool = next((argv[0] for argv in (language.compile, language.run) if argv), "python3")
        program = Program(f"command -v {tool}", "main.sh", "scratch", run=["bash", "{source}"])
        reply = await sandbox.exchange(Request(program, Limits(wall_seconds=10)))
        what = f"language {language.name}"
        if reply.code == 0:
            yield Finding("ok", what, reply.stdout.strip())
        elif language.name in _ALWAYS and not engine.warnings:
            yield Finding("fail", what, f"{tool} is missing in the sandbox runtime. Run `make install`.")
        else:
            yield Finding("warn", what, f"{tool} is not installed; programs in it are told so")
