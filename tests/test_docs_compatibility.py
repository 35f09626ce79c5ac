"""The compatibility page covers every statement of the contract, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "compatibility.md").read_text(encoding="utf-8")
STATEMENTS = [f"K{number}" for number in range(1, 43)]
_ROW = re.compile(r"^\| \*\*(K\d+)\*\* \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows() -> dict[str, tuple[str, str, list[tuple[str, str]]]]:
    """Parse the table: statement, implementation, and the (file, name) of each test, by the statement's number."""
    return {number: (said, done, _TEST.findall(shown)) for number, said, done, shown in _ROW.findall(PAGE)}


def claims_in(file: str) -> dict[str, str]:
    """Return the tests of a file with their docstrings."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: ast.get_docstring(node) or "" for node in functions if node.name.startswith("test_")}


def contract_tests() -> Iterator[tuple[str, str, str]]:
    """Return file, name and docstring of every contract test."""
    for path in sorted((TESTS / "contract").glob("test_*.py")):
        file = str(path.relative_to(TESTS))
        yield from ((file, name, claim) for name, claim in claims_in(file).items())


def test_every_statement_has_one_row_in_order() -> None:
    """K1 to K42, each once, each with its text and at least one test."""
    assert [number for number, *_ in _ROW.findall(PAGE)] == STATEMENTS
    assert all(said and done and tests for said, done, tests in rows().values())


@pytest.mark.parametrize("number", STATEMENTS)
def test_every_named_test_exists(number: str) -> None:
    """Every file and test in a row exists."""
    for file, name in rows()[number][2]:
        assert (TESTS / file).is_file(), file
        assert name in claims_in(file), f"{file}::{name}"


def test_every_contract_test_says_which_statement_it_shows() -> None:
    """The docstring of each test in ``tests/contract`` names its statements; the page names all its files."""
    unsaid = [f"{file}::{name}" for file, name, claim in contract_tests() if not re.search(r"\bK\d", claim)]
    assert unsaid == []
    assert [file for file in {file for file, *_ in contract_tests()} if file.rpartition("/")[2] not in PAGE] == []
