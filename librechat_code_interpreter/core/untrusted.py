"""Parsing of untrusted replies: a program that took over its runner can send anything.

A bad reply must affect only its own run: it must not fail the service or create a file with a forged name.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, TypeVar

from librechat_code_interpreter.runner.arguments import is_too_deep
from librechat_code_interpreter.runner.messages import Message

M = TypeVar("M", bound=Message)

_LARGEST = 2**53
"""Larger numbers are not the same on both sides of JSON."""


def parse_reply(kind: type[M], data: Any) -> M:
    """Parse a message from a sandbox. Raises ``ValueError`` for anything else."""
    try:
        message = kind.from_json(data)
        _check(message)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no {kind.__name__} ({type(error).__name__})") from error
    return message


def _check(message: Message) -> None:
    """Raise ``ValueError`` unless each field has the annotated type and can be passed on as JSON."""
    kind: Any = type(message)  # mypy does not accept it as hashable
    for name, kinds in _kinds(kind).items():
        value = getattr(message, name)
        if not isinstance(value, kinds):
            raise ValueError(f"{name} is {type(value).__name__}")
        if isinstance(value, str):
            value.isascii() or value.encode()  # fails for lone surrogates, which cannot be sent
        elif isinstance(value, int | float):
            if not -_LARGEST <= value <= _LARGEST:  # NaN too
                raise ValueError(f"{name} is no number of a runner's")
        elif isinstance(value, list):
            _check_all(name, value)
        elif isinstance(value, dict) and is_too_deep(value):
            raise ValueError(f"{name} is nested too deeply")


def _check_all(name: str, items: list[Any]) -> None:
    for item in items:
        if isinstance(item, Message):
            _check(item)
        elif isinstance(item, str):
            item.encode()
        else:
            raise ValueError(f"{name} holds {type(item).__name__}")


@cache
def _kinds(kind: Any) -> dict[str, tuple[type, ...]]:
    """Return the types that each field of a message type may have."""
    hints = typing.get_type_hints(kind)
    return {name: tuple(_plain(hints[name])) for name in kind.__dataclass_fields__}


def _plain(hint: Any) -> list[type]:
    if isinstance(hint, types.UnionType):
        return [found for part in typing.get_args(hint) for found in _plain(part)]
    if hint is float:
        return [float, int]
    return [typing.get_origin(hint) or hint]
