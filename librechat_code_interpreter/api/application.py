"""FastAPI application with all routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi_swagger import patch_fastapi  # type: ignore[import-untyped]

from librechat_code_interpreter import __version__
from librechat_code_interpreter.api import errors

_SECURITY = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
}


def build(routers: Sequence[APIRouter], lifespan: Any) -> FastAPI:
    """Create the application; ``/docs`` is served from local files, without a CDN."""
    app = FastAPI(
        title="LibreChat Daytona Code Interpreter Adapter",
        version=__version__,
        description="LibreChat's Code Interpreter API. Every route also answers below `/v1`.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        # ours are in librechat_code_interpreter/telemetry; FastAPI's would also export exception texts
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    for routes in routers:
        app.router.routes.extend(routes.routes)  # included routers would each match every request twice
    errors.install(app)
    patch_fastapi(app, redirect_from_root_to_docs=False)
    _describe_security(app)
    return app


def _describe_security(app: FastAPI) -> None:
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        schema = plain()
        schema.setdefault("components", {})["securitySchemes"] = _SECURITY
        schema["security"] = [{name: []} for name in _SECURITY]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the schema
