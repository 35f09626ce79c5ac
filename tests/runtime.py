"""The sandbox runtime that the tests use: `SANDBOX_RUNTIME`, else the one that `make install` builds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

RUNTIME: Final = Path(os.environ.get("SANDBOX_RUNTIME") or Path(__file__).parents[1] / ".sandbox")
RUNTIME_PYTHON: Final = RUNTIME / "bin" / "python3"
