"""The language of code and docs: phrases that a reader has to decipher do not come back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PHRASES = ("for who ", "so many ", "as good as new", "Tell that", "hears 4", "hears 5", "hear 4", "hear 5")
MISUSED_VERBS = ("Tell", "Hold", "Know", "Be", "Say", "Give")
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / ".env.example",
        ROOT / "Makefile",
        *(path for path in (ROOT / "deploy").rglob("*") if path.is_file()),
    ]
)
CODE = ("librechat_code_interpreter", "attack", "bench", "devtools", "tools", "sandbox", "tests")
MODULES = sorted(path for directory in CODE for path in (ROOT / directory).rglob("*.py") if path != Path(__file__))
_MISUSE = re.compile(rf"({'|'.join(MISUSED_VERBS)})\b")


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and docstring of a module, its classes and its functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


@pytest.mark.parametrize("path", [*PAGES, *MODULES], ids=lambda path: str(path.relative_to(ROOT)))
def test_no_phrase_that_needs_deciphering(path: Path) -> None:
    """Docs, settings and code say what happens in the field's terms."""
    text = path.read_text(encoding="utf-8")
    assert [phrase for phrase in PHRASES if phrase in text] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_name_what_a_thing_is_or_does(path: Path) -> None:
    """No docstring begins with a verb that describes a thing by what it "tells" or "holds"."""
    assert [(line, text.splitlines()[0]) for line, text in docstrings(path) if _MISUSE.match(text)] == []
