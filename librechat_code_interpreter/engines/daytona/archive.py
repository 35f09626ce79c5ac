"""The runner packed into one zip application for sandboxes, named by its content."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from importlib.resources import files

_START = "from librechat_code_interpreter.runner.__main__ import main\nimport sys\n\nmain(sys.argv[1:])\n"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)

NEEDS_PYTHON = (3, 11)
"""Oldest Python version that the runner supports: it uses ``StrEnum`` and ``typing.Self``."""


@cache
def runner() -> bytes:
    """Return the runner as a zip application; the same sources give the same bytes."""
    sources = {"__main__.py": _START, "librechat_code_interpreter/__init__.py": ""}
    for item in sorted(files("librechat_code_interpreter.runner").iterdir(), key=lambda item: item.name):
        if item.name.endswith(".py"):
            sources[f"librechat_code_interpreter/runner/{item.name}"] = item.read_text(encoding="utf-8")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in sources.items():
            archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), text, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


@cache
def runner_name() -> str:
    """Return the content-based file name of the runner: ``runner-0123456789abcdef.pyz``."""
    return f"runner-{hashlib.sha256(runner()).hexdigest()[:16]}.pyz"
