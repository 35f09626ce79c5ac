"""Application factory and lifespan. ``uvicorn app.main:app`` serves this."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NoReturn

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from librechat_code_interpreter import process_tuning
from librechat_code_interpreter.api import exec, files, health, languages, metrics, programmatic, uploads
from librechat_code_interpreter.api.application import build
from librechat_code_interpreter.api.auth import Credentials
from librechat_code_interpreter.api.in_flight import InFlightRequests
from librechat_code_interpreter.api.middleware import AccessMiddleware
from librechat_code_interpreter.api.request_id import RequestIdMiddleware
from librechat_code_interpreter.api.routes import SPAN_WORDS
from librechat_code_interpreter.console import routes as console
from librechat_code_interpreter.console.overview import Bounds, Overview
from librechat_code_interpreter.console.sessions import Sessions
from librechat_code_interpreter.core.protocols import Engine, EngineUnfit
from librechat_code_interpreter.core.tasks import end
from librechat_code_interpreter.server import lengthen_keep_alive, running_server
from librechat_code_interpreter.settings import Settings, SettingsError, load_settings
from librechat_code_interpreter.shutdown import Drain, stopping_gently
from librechat_code_interpreter.telemetry import logs
from librechat_code_interpreter.telemetry.audit import AuditLog
from librechat_code_interpreter.telemetry.metrics import Metrics
from librechat_code_interpreter.wiring import Parts, assemble

if TYPE_CHECKING:  # imported only when traces are enabled
    from librechat_code_interpreter.telemetry.traces import Traces

log = logging.getLogger(__name__)

EX_CONFIG = 78
"""Exit code for faults that only the operator can fix: a bad setting, a machine that cannot isolate (sysexits.h)."""


MAX_LIBRECHAT_QUEUE_SECONDS = 10
"""LibreChat's file helpers wait 15 s in total: for a slot, the sandbox, their files and the program (K24)."""


def create_app(settings: Settings, engine: Engine | None = None) -> ASGIApp:
    """Build the service. Raises ``SettingsError`` and ``EngineUnfit``."""
    parts = assemble(settings, engine)
    warnings = warnings_of(settings)
    traffic = InFlightRequests()
    traces = _traces(parts, settings)
    drain = Drain(parts.runs.admission, parts.paused_runs, traffic, settings.drain_seconds)
    if settings.log_level in ("debug", "info"):
        AuditLog(parts.events, logs.LINES[settings.log_format], logs.write)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        lengthen_keep_alive(running_server())
        async with living(parts, settings, warnings), stopping_gently(drain), traces or contextlib.nullcontext():
            for warning in (*warnings, *parts.engine.warnings):
                app.description += f"\n\n**Warning:** {warning}"
            yield

    credentials = Credentials(settings)
    app = build(
        [
            *_metrics(parts, settings, credentials),
            *_console(parts, settings, warnings),
            exec.router(parts.runs, parts.events),
            programmatic.router(parts.runs, parts.paused_runs),
            languages.router(parts.toolchains),
            uploads.router(parts.files),
            files.router(parts.files),
            health.router(parts.prober, parts.runs.admission, parts.engine, warnings),
        ],
        lifespan,
    )
    gate = AccessMiddleware(app, credentials, settings.request_body_max_bytes, traffic, parts.events)
    return RequestIdMiddleware(traces.around(gate, SPAN_WORDS) if traces else gate, parts.events)


def _traces(parts: Parts, settings: Settings) -> Traces | None:
    """Return the traces if there is a collector; else OpenTelemetry is not even imported."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    from librechat_code_interpreter.telemetry.traces import Traces

    return Traces(parts.events, settings.otel_exporter_otlp_endpoint, settings.otel_service_name)


def _metrics(parts: Parts, settings: Settings, credentials: Credentials) -> list[APIRouter]:
    """Collect metrics and return their route; with ``METRICS_ACCESS=off`` neither."""
    if settings.metrics_access == "off":
        return []
    counted = Metrics(parts.events, parts.runs.admission, parts.leases, parts.engine.name)
    key = settings.metrics_key.get_secret_value() if settings.metrics_key else None
    return [metrics.router(counted.page, credentials, settings.metrics_access, key)]


def _console(parts: Parts, settings: Settings, warnings: list[str]) -> list[APIRouter]:
    """Collect data for the operator's page and return its routes; with ``CONSOLE_ENABLED=false`` neither."""
    if not settings.console_enabled:
        return []
    bounds = Bounds(
        settings.concurrent_runs, settings.max_queued_runs, settings.max_sandboxes, settings.max_paused_runs
    )
    overview = Overview(parts.events, parts.runs.admission, parts.leases, parts.engine, bounds, warnings)
    sessions = Sessions(parts.store, parts.store, parts.leases)
    return [console.router(overview, sessions, console.lock_of(settings))]


@contextlib.asynccontextmanager
async def living(parts: Parts, settings: Settings, warnings: list[str]) -> AsyncIterator[None]:
    """Open the engine, run the cleanup in the background, and close everything in order, within a bounded time."""
    process_tuning.raise_descriptor_limit()
    process_tuning.keep_freed_memory()
    try:
        await parts.engine.open()
    except EngineUnfit as error:
        refuse(str(error))
    for warning in (*warnings, *parts.engine.warnings):
        log.warning(warning)
    tidying = asyncio.create_task(parts.cleanup.tend())
    log.info("ready on the %s engine", parts.engine.name)
    try:
        yield
    finally:
        await end(tidying)
        await parts.engine.close()
        await parts.leases.close()


def warnings_of(settings: Settings) -> list[str]:
    """Return the warnings for the operator."""
    warnings = []
    if settings.adapter_auth == "none":
        warnings.append("ADAPTER_AUTH=none: anybody who reaches this service can run programs and use every file id")
    if settings.queue_timeout_seconds > MAX_LIBRECHAT_QUEUE_SECONDS:
        warnings.append(
            f"QUEUE_TIMEOUT_SECONDS is above {MAX_LIBRECHAT_QUEUE_SECONDS}: LibreChat's file helpers give up before"
            " they are told that the service is busy"
        )
    return warnings


def refuse(reason: str) -> NoReturn:
    """Exit with one paragraph on stderr; nothing that needs closing has been opened yet."""
    sys.stderr.write(f"{reason}\n")
    sys.stderr.flush()
    os._exit(EX_CONFIG)


def _create_or_refuse() -> ASGIApp:
    try:
        settings = load_settings()
        logs.set_up(settings.log_level, settings.log_format)
        made = create_app(settings)
    except (SettingsError, EngineUnfit) as error:
        refuse(str(error))
    process_tuning.spare_the_collector()
    return made


def __getattr__(name: str) -> ASGIApp:
    """Build ``app`` when a server requests it; importing this module alone reads no settings."""
    if name == "app":
        return _create_or_refuse()
    raise AttributeError(name)
