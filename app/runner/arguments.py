"""Check a tool call's arguments against the tool's schema, as far as the call certainly cannot succeed.

Only what JSON Schema says plainly of the outermost object counts: names that are required, names that are not allowed,
plain types, enumerations. Anything cleverer is left to the tool itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": lambda value: _is_number(value),
    "array": lambda value: isinstance(value, (list, tuple)),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


MOST_LEVELS: Final = 100
"""How deeply arguments and results may be nested: what carries them gives up at 250 levels and more."""


def is_too_deep(value: Any) -> bool:
    """Tell whether lists and objects are nested more than ``MOST_LEVELS`` deep."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for item in level if isinstance(item, (dict, list)) for inner in _inside(item)]
        if not level:
            return False
    return True


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def problem(parameters: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> str | None:
    """Say what is wrong, as Python words its own ``TypeError``; ``None`` when the call may succeed."""
    return next(_problems(parameters, arguments), None) if parameters else None


def _problems(parameters: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterator[str]:
    known = properties(parameters)
    missing = [repr(name) for name in required(parameters) if name not in arguments]
    if missing:
        yield f"missing {len(missing)} required argument{'s' * (len(missing) > 1)}: {', '.join(missing)}"
    for name, value in arguments.items():
        if name not in known:
            if parameters.get("additionalProperties") is False and "patternProperties" not in parameters:
                yield f"got an unexpected argument {name!r}"
        elif (wanted := _mismatch(known[name], value)) is not None:
            yield f"argument {name!r} must be {wanted}, not {_kind(value)}"


def properties(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give the properties of an object schema; whatever is no schema counts as one that allows everything."""
    found = (parameters or {}).get("properties")
    return dict(found) if isinstance(found, dict) else {}


def required(parameters: Mapping[str, Any] | None) -> list[str]:
    """Give the names that must be there."""
    found = (parameters or {}).get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _mismatch(schema: Any, value: Any) -> str | None:
    if not isinstance(schema, dict):
        return None
    types = schema.get("type")
    names = [str(name) for name in (types if isinstance(types, list) else [types])]
    # a null where nothing is required is often taken for "not given"; the tool shall say
    if value is not None and all(name in _TYPES for name in names) and not any(_TYPES[name](value) for name in names):
        return " or ".join(names)
    choices = schema.get("enum")
    if isinstance(choices, list) and value is not None and value not in choices:
        return f"one of {choices!r}"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return repr(value) if isinstance(value, str | int | float) and len(repr(value)) < 40 else type(value).__name__
