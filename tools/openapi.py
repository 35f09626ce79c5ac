"""Write the description of the API, ``docs/openapi.json``, from the routes.

Usage:
    python tools/openapi.py --write    write it
    python tools/openapi.py --check    exit 1 when it differs
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "openapi.json"
sys.path.insert(0, str(ROOT))

from librechat_code_interpreter.main import create_app  # noqa: E402  # run as a script, the tool has to find `app` first
from librechat_code_interpreter.settings import Settings  # noqa: E402  # as above


class _NoEngine:
    """An engine that is never opened."""

    name = "none"
    warnings: tuple[str, ...] = ()


def text() -> str:
    """Return the description as it should be."""
    engine: Any = _NoEngine()
    with tempfile.TemporaryDirectory() as store:
        service: Any = create_app(Settings(adapter_api_key="k", file_store_url=store), engine)
        return json.dumps(service.app.app.openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Run the command line; the exit code is 1 when ``--check`` finds a difference."""
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text(), encoding="utf-8")
        return 0
    is_stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text()
    if is_stale:
        print("docs/openapi.json is stale: run python tools/openapi.py --write")
    return int(is_stale)


if __name__ == "__main__":
    sys.exit(main())
