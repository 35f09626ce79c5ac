"""Parsing of untrusted replies: a program that took over its runner can send anything.

A bad reply must affect only its own run: it must not fail the service or create a file with a forged name.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from librechat_code_interpreter.runner.arguments import is_too_deep
from librechat_code_interpreter.runner.messages import Message

M = TypeVar("M", bound=Message)

_MAX_NUMBER = 2**53
"""Larger numbers are not the same on both sides of JSON."""


def parse_reply(kind: type[M], data: Any) -> M:
    """Parse a message from a sandbox, given as JSON (``bytes``) or as plain data. Raises ``ValueError``."""
    hashable: Any = kind  # mypy does not accept a type variable's type as hashable
    try:
        return typing.cast(M, _validate(_validator(hashable), data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ValueError(f"invalid {kind.__name__}: {field}: {first['msg']}") from None
    except RecursionError:
        raise ValueError(f"invalid {kind.__name__}: nested too deeply") from None


def _validate(validator: SchemaValidator, data: Any) -> Any:
    if not isinstance(data, bytes):
        return validator.validate_python(data)
    with suppress(ValidationError):
        return validator.validate_json(data)
    # arguments of a tool call may contain lone surrogates, which only the slower parser accepts
    return validator.validate_python(json.loads(data))


@cache
def _validator(kind: Any) -> SchemaValidator:  # mypy does not accept a type of messages as hashable
    return SchemaValidator(_message_schema(kind))


def _message_schema(kind: type[Message]) -> CoreSchema:
    """Return the schema of a dataclass of the runner, which cannot import pydantic; unknown keys are ignored.

    A ``TypeAdapter`` of these annotations cannot bound numbers, and in strict mode it rejects plain data.
    """
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(typing.cast(Any, kind))
    arguments = [core_schema.dataclass_field(field.name, _field_schema(field, hints[field.name])) for field in fields]
    names = [field.name for field in fields]
    return core_schema.dataclass_schema(
        kind, core_schema.dataclass_args_schema(kind.__name__, arguments), names, slots=True
    )


def _field_schema(field: dataclasses.Field[Any], hint: Any) -> CoreSchema:
    schema = _schema(hint)
    if field.default is not dataclasses.MISSING:
        return core_schema.with_default_schema(schema, default=field.default)
    if field.default_factory is not dataclasses.MISSING:
        return core_schema.with_default_schema(schema, default_factory=field.default_factory)
    return schema


def _schema(hint: Any) -> CoreSchema:
    """Return the strict schema of an annotation. Raises ``TypeError`` for one that no reply needs so far."""
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is types.UnionType and arguments[1:] == (types.NoneType,):
        return core_schema.nullable_schema(_schema(arguments[0]))
    if origin is list:
        return core_schema.list_schema(_schema(arguments[0]), strict=True)
    if hint == dict[str, Any]:
        return core_schema.no_info_after_validator_function(_check_json, core_schema.dict_schema(strict=True))
    if origin is bool:
        return core_schema.bool_schema(strict=True)
    if origin is int:
        return core_schema.int_schema(strict=True, ge=-_MAX_NUMBER, le=_MAX_NUMBER)
    if origin is float:
        return core_schema.float_schema(strict=True, ge=-_MAX_NUMBER, le=_MAX_NUMBER, allow_inf_nan=False)
    if origin is str:
        # only a string with a constraint is checked for lone surrogates, which no answer can contain
        return core_schema.str_schema(strict=True, min_length=0)
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return core_schema.enum_schema(origin, list(origin))
    if isinstance(origin, type) and issubclass(origin, Message):
        return _message_schema(origin)
    raise TypeError(f"no schema for {hint}")


def _check_json(value: dict[str, Any]) -> dict[str, Any]:
    """Check the arguments of a tool call, which are passed on as they are."""
    if is_too_deep(value):
        raise ValueError("nested too deeply")
    json.dumps(value, allow_nan=False)  # raises ValueError
    return value
