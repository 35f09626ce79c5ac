"""``GET /languages``: the languages of this service, and which of them its sandboxes have (K14)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from librechat_code_interpreter.api.errors import json_response
from librechat_code_interpreter.api.schemas import ERRORS, LanguageInfo, LanguagesResponse
from librechat_code_interpreter.core.toolchains import Toolchain, Toolchains


def router(toolchains: Toolchains) -> APIRouter:
    """Return the route."""
    routes = APIRouter(tags=["run"])

    @routes.get(
        "/languages",
        response_model=LanguagesResponse,
        responses=ERRORS,
        summary="List languages, and whether each is available",
    )
    async def languages() -> Response:
        answer = LanguagesResponse(languages=[_info_of(toolchain) for toolchain in await toolchains.look()])
        return json_response(answer.model_dump(exclude_none=True))

    return routes


def _info_of(toolchain: Toolchain) -> LanguageInfo:
    language, is_available = toolchain.language, toolchain.path is not None
    return LanguageInfo(
        lang=language.name,
        aliases=list(language.aliases),
        available=is_available,
        packages=None if is_available else list(language.packages),
    )
