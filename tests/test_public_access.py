"""Tests use what the product offers: none reaches into a private attribute of it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("app", "attack", "bench", "devtools", "librechat_code_interpreter", "tools")
_PRIVATE = re.compile(r"_(?!_)\w+")
_PATCHES = {"setattr", "delattr", "getattr", "hasattr", "setitem", "patch", "object"}


def trees(*directories: str) -> Iterable[tuple[Path, ast.Module]]:
    """Parse all Python files below some directories of the project."""
    for directory in directories:
        for path in sorted((ROOT / directory).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def members(tree: ast.AST) -> set[str]:
    """Name what the classes of a module call their own: methods, fields, attributes of ``self`` and ``cls``."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {name for one in classes for name in defined(one.body)} | {
        node.attr for node in attributes if is_own(node.value)
    }


def is_own(value: ast.expr) -> bool:
    """Return whether an attribute is asked of the object whose method this is."""
    return isinstance(value, ast.Name) and value.id in ("self", "cls")


def defined(body: list[ast.stmt]) -> set[str]:
    """Name what a module or a class defines: functions, classes, constants, fields."""
    named = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    assigned = [node for node in body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return named | {name.id for node in assigned for name in ast.walk(node) if isinstance(name, ast.Name)}


@pytest.fixture(scope="module")
def private() -> set[str]:
    """Return every private name of the product."""
    known = set()
    for _, tree in trees(*PRODUCT):
        known |= members(tree) | defined(tree.body)
    return {name for name in known if _PRIVATE.fullmatch(name)}


def reaches(tree: ast.Module, private: set[str]) -> list[str]:
    """List where a test names something private: as an attribute, in an import, or to a function that patches."""
    known = private - members(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in known and not _is_anothers(node.value):
            found.append(f"{node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PRODUCT:
            found += [f"{node.lineno}: {name.name}" for name in node.names if _PRIVATE.fullmatch(name.name)]
        elif isinstance(node, ast.Call) and _name_of(node.func) in _PATCHES:
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            found += [f"{node.lineno}: {text}" for text in texts if text.rpartition(".")[2] in known]
    return found


def _is_anothers(value: ast.expr) -> bool:
    """Return whether an object is the test's own or a module of the standard library, as in ``os._exit``."""
    return is_own(value) or (isinstance(value, ast.Name) and value.id in sys.stdlib_module_names)


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_no_test_reaches_into_the_product(private: set[str]) -> None:
    """A private name may change at any time; a test of behaviour asks ``stats()``, a parameter or a public name."""
    found = [f"{path.relative_to(ROOT)}:{reach}" for path, tree in trees("tests") for reach in reaches(tree, private)]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "engine._pool.take()", "x = app.app._app", "from librechat_code_interpreter.api.errors import _pool",
        "monkeypatch.setattr(engine, '_pool', 1)", "patch('librechat_code_interpreter.main._pool')",
    ],
)  # fmt: skip
def test_a_reach_is_noticed(source: str) -> None:
    """An attribute, an import, and a name that is patched."""
    assert len(reaches(ast.parse(source), {"_pool", "_app"})) == 1


def test_what_a_test_defines_itself_is_its_own() -> None:
    """A helper class of a test may have private members, of whatever name."""
    source = "class Own:\n    def _pool(self): return self._app\n\nOwn()._pool()"
    assert reaches(ast.parse(source), {"_pool", "_app"}) == []
