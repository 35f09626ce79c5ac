"""Field types shared by the settings of the service and of its engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.config import JsonDict

from librechat_code_interpreter.units import parse_bytes


def _lower(word: object) -> object:
    return word.lower() if isinstance(word, str) else word


Bytes = Annotated[int, BeforeValidator(parse_bytes)]
Word = BeforeValidator(_lower)


def section(title: str) -> Callable[..., Any]:
    """Return a ``Field`` for the settings under this heading; ``tools/settings_docs.py`` orders the headings."""

    def setting(default: object, meaning: str, unit: str = "", **rules: Any) -> Any:
        extra: JsonDict = {"section": title, "unit": unit}
        return Field(default, description=meaning, json_schema_extra=extra, **rules)

    return setting
