"""Arguments of tool calls: nesting limit, and the names that a tool's schema defines.

The tool itself checks the arguments against its schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

MOST_LEVELS: Final = 100
"""Maximum nesting of arguments and results; the layers that transport them fail at 250 levels and more."""


def is_too_deep(value: Any) -> bool:
    """Return whether lists and objects are nested more than ``MOST_LEVELS`` deep."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for item in level if isinstance(item, (dict, list)) for inner in _inside(item)]
        if not level:
            return False
    return True


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def properties(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the properties of an object schema; an invalid schema counts as one that allows everything."""
    found = (parameters or {}).get("properties")
    return dict(found) if isinstance(found, dict) else {}


def required(parameters: Mapping[str, Any] | None) -> list[str]:
    """Return the names of the required arguments."""
    found = (parameters or {}).get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []
