"""Arguments that certainly cannot be right are refused before anybody is asked; all others are the tool's to judge."""

from __future__ import annotations

from typing import Any

import pytest

from app.runner.arguments import problem

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer"},
        "share": {"type": "number"},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "either": {"type": ["string", "null"]},
        "odd": {"anyOf": [{"type": "string"}]},
        "tags": {"type": "array"},
    },
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "missing 1 required argument: 'city'"),
        ({"city": "x", "town": "y"}, "got an unexpected argument 'town'"),
        ({"city": 5}, "argument 'city' must be string, not 5"),
        ({"city": "x", "days": 1.5}, "argument 'days' must be integer, not 1.5"),
        ({"city": "x", "days": True}, "argument 'days' must be integer, not True"),
        ({"city": "x", "unit": "K"}, "argument 'unit' must be one of ['C', 'F'], not 'K'"),
        ({"city": "x", "either": 1}, "argument 'either' must be string or null, not 1"),
        ({"city": "x", "tags": {}}, "argument 'tags' must be array, not dict"),
    ],
)
def test_what_cannot_be_right_is_named(arguments: dict[str, Any], said: str) -> None:
    """Missing and unknown names, wrong plain types, and values outside a choice."""
    assert problem(SCHEMA, arguments) == said


@pytest.mark.parametrize(
    "arguments",
    [
        {"city": "x"},
        {"city": "x", "days": 2, "share": 1, "unit": "C", "either": None, "odd": 7, "tags": ()},
        {"city": "x", "days": 2.0, "share": 0.5, "unit": None},
        {"city": "x", "share": float("inf")},
        {"city": None},
    ],
)
def test_what_may_be_right_passes(arguments: dict[str, Any]) -> None:
    """A null is often taken for "not given", and what the schema says in a cleverer way is not judged here."""
    assert problem(SCHEMA, arguments) is None


@pytest.mark.parametrize(
    "schema", [None, {}, {"properties": 5, "required": "city"}, {"properties": {"a": True, "b": {"type": "odd"}}}]
)
def test_a_schema_that_is_none_forbids_nothing(schema: dict[str, Any] | None) -> None:
    """Whatever a client sends as parameters, a call can be made."""
    assert problem(schema, {"a": 1, "b": 2}) is None


def test_an_integer_too_large_for_a_float_is_one() -> None:
    """JSON's integers have no bound."""
    assert problem({"properties": {"n": {"type": "integer"}}}, {"n": 10**400}) is None
    assert problem({"properties": {"n": {"type": "integer"}}}, {"n": float("inf")}) is not None
