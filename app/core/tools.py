"""Offer a caller's tools to a program, under the names that its language allows (K29, K30)."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from app.core.errors import BadRequest
from app.core.languages import Language
from app.runner.messages import Tool

MOST_TOOLS = 100

PYTHON_KEYWORDS: Final = frozenset(keyword.kwlist)
BASH_RESERVED: Final = frozenset((
    "if", "then", "else", "elif", "fi", "case", "esac", "for", "while", "until", "do", "done", "in", "function",
    "select", "time", "coproc", "declare", "typeset", "local", "readonly", "export", "unset",
))  # fmt: skip
"""Both lists are the clients' own: they look for these very names in the program."""


@dataclass(frozen=True, slots=True)
class Offered:
    """Describe a tool as the caller does."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None


def python_name(name: str) -> str:
    """Give the function's name in a Python program."""
    return _named(re.sub(r"[-\s]", "_", name), PYTHON_KEYWORDS)


def bash_name(name: str) -> str:
    """Give the function's name in a shell program."""
    return _named(re.sub(r"[-\s.]", "_", name), BASH_RESERVED)


def _named(name: str, reserved: frozenset[str]) -> str:
    name = re.sub(r"[^a-zA-Z0-9_]", "", name)
    if name[:1].isdigit():
        name = f"_{name}"
    return f"{name}_tool" if name in reserved else name


def functions(offered: Iterable[Offered], language: Language) -> list[Tool]:
    """Name the tools for a program. Raises ``BadRequest`` for too many, and for names that mean nothing or the same."""
    tools: dict[str, Tool] = {}
    for item in offered:
        function = python_name(item.name) if language.name == "py" else bash_name(item.name)
        if not function:
            raise BadRequest(f"tools: {item.name[:80]!r} has no letter or digit that a function could be named by.")
        if function in tools:
            raise BadRequest(f"tools: {item.name[:80]!r} and {tools[function].name[:80]!r} are both {function!r}.")
        tools[function] = Tool(item.name, function, item.description, item.parameters)
    if len(tools) > MOST_TOOLS:
        raise BadRequest(f"tools: {len(tools)} are more than {MOST_TOOLS}.")
    return list(tools.values())
