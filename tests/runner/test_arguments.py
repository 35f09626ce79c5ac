"""What is read of a tool's schema, and how deeply arguments may be nested."""

from __future__ import annotations

from typing import Any

import pytest

from librechat_code_interpreter.runner.arguments import MOST_LEVELS, is_too_deep, properties, required


@pytest.mark.parametrize("schema", [None, {}, {"properties": 5, "required": "city"}, {"required": [5]}])
def test_a_schema_that_is_none_names_nothing(schema: dict[str, Any] | None) -> None:
    """Whatever a client sends as parameters, a tool can be offered."""
    assert (properties(schema), required(schema)) == ({}, [])


def nested(levels: int) -> Any:
    """Return lists nested ``levels`` deep."""
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_has_a_limit() -> None:
    """JSON encoders of arguments and results fail at 250 levels."""
    assert not is_too_deep(nested(MOST_LEVELS))
    assert is_too_deep({"a": nested(MOST_LEVELS + 1)})
