"""Write the tree of files in ``ARCHITECTURE.md``: one line for each module, from the first line of its docstring.

Usage:
    python tools/architecture_tree.py --write    write it
    python tools/architecture_tree.py --check    exit 1 when it differs
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "ARCHITECTURE.md"
PACKAGE = ROOT / "librechat_code_interpreter"
BEGIN, END = "<!-- tree: begin -->\n", "<!-- tree: end -->\n"


def tree() -> str:
    """Return the tree as a block of text."""
    return "```\n" + "".join(f"{line}\n" for line in _lines(PACKAGE, "")) + "```\n"


def _lines(directory: Path, indent: str) -> Iterator[str]:
    yield f"{indent}{directory.name}/"
    files = [path for path in directory.glob("*.py") if path.name != "__init__.py"]
    width = max((len(path.name) for path in files), default=0)
    for path in sorted(files):
        yield f"{indent}  {path.name:{width}}  {_summary(path)}"
    for below in sorted(path.parent for path in directory.glob("*/__init__.py")):
        yield from _lines(below, indent + "  ")


def _summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").rstrip(".").replace("``", "`")


def updated(page: str) -> str:
    """Return the page with the tree as it is now."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + tree() + END + rest.partition(END)[2]


def main() -> int:
    """Write or check the page; return the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    if "--write" in sys.argv:
        PAGE.write_text(updated(page), encoding="utf-8")
    elif page != updated(page):
        print("ARCHITECTURE.md: the tree of files is out of date: run python tools/architecture_tree.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
