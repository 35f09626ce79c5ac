"""A caller's tools as functions of a program, under names that its language allows (K29, K30)."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from librechat_code_interpreter.core.errors import BadRequest
from librechat_code_interpreter.core.languages import Language
from librechat_code_interpreter.runner.messages import Tool

MOST_TOOLS = 100

PYTHON_KEYWORDS: Final = frozenset(keyword.kwlist)
BASH_RESERVED: Final = frozenset((
    "if", "then", "else", "elif", "fi", "case", "esac", "for", "while", "until", "do", "done", "in", "function",
    "select", "time", "coproc", "declare", "typeset", "local", "readonly", "export", "unset",
))  # fmt: skip
"""Both lists match the clients' own, which search the program for exactly these names."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as the caller describes it."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None


def python_name(name: str) -> str:
    """Return the name of the tool's function in a Python program."""
    return _named(re.sub(r"[-\s]", "_", name), PYTHON_KEYWORDS)


def bash_name(name: str) -> str:
    """Return the name of the tool's function in a shell program."""
    return _named(re.sub(r"[-\s.]", "_", name), BASH_RESERVED)


def _named(name: str, reserved: frozenset[str]) -> str:
    name = re.sub(r"[^a-zA-Z0-9_]", "", name)
    if name[:1].isdigit():
        name = f"_{name}"
    return f"{name}_tool" if name in reserved else name


def functions(offered: Iterable[Offered], language: Language) -> list[Tool]:
    """Return the tools with their function names. Raises ``BadRequest`` for too many, and for empty or equal names."""
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
