"""Health routes, without a credential (section 8 of the contract)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from librechat_code_interpreter import __version__
from librechat_code_interpreter.api.errors import json_response
from librechat_code_interpreter.core.admission import Admission
from librechat_code_interpreter.core.protocols import Engine
from librechat_code_interpreter.core.readiness import Prober


def router(prober: Prober, admission: Admission, engine: Engine, warnings: list[str]) -> APIRouter:
    """Return the routes; readiness shows ``warnings`` as long as the process runs."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", summary="Check that the process is alive")
    @routes.get("/health", summary="Check that the process is alive")
    async def health() -> Response:
        return json_response({"status": "healthy", "version": __version__})

    @routes.get("/", include_in_schema=False)
    async def about() -> Response:
        return json_response(
            {"service": "LibreChat Daytona Code Interpreter Adapter", "version": __version__, "docs": "/docs"}
        )

    @routes.get("/readyz", summary="Check that programs run and files can be stored")
    async def ready() -> Response:
        if admission.is_draining:
            return json_response({"status": "draining", "engine": engine.name}, 503, {"Retry-After": "5"})
        found = await prober.look()
        body: dict[str, Any] = {
            "status": "ready" if found.is_ready else "not_ready",
            "engine": engine.name,
            "reasons": found.reasons,
        }
        if all_warnings := [*warnings, *engine.warnings]:
            body["warnings"] = all_warnings
        return json_response(body, 200 if found.is_ready else 503, None if found.is_ready else {"Retry-After": "5"})

    return routes
