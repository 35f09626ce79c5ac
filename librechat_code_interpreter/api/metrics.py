"""``GET /metrics`` for Prometheus."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Request, Response

from librechat_code_interpreter.api.auth import Credentials, contains_key
from librechat_code_interpreter.api.schemas import ERRORS
from librechat_code_interpreter.core.errors import Unauthorized

Page = Callable[[str], Awaitable[tuple[bytes, str]]]


def router(page: Page, credentials: Credentials, access: Literal["key", "open"], key: str | None) -> APIRouter:
    """Return the route. It is public in the route table, because it accepts ``METRICS_KEY`` too."""
    routes = APIRouter(tags=["health"])

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}, 401: ERRORS[401]},
        summary="Return metrics for Prometheus",
    )
    async def metrics(request: Request) -> Response:
        if access == "key":
            _check_access(request, credentials, key)
        text, content_type = await page(request.headers.get("accept", ""))
        return Response(text, media_type=content_type)

    return routes


def _check_access(request: Request, credentials: Credentials, key: str | None) -> None:
    """Admit callers with a key. A user's token proves an identity, not a right to read the metrics."""
    if key is not None and contains_key(key.encode(), request.headers):
        return
    method = credentials.identify(request.headers).method
    if method == "jwt" or (method == "none" and key is not None):
        raise Unauthorized("metrics: send METRICS_KEY or the API key")
