"""Every setting and fault is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.daytona_emulator.faults import PRESETS
from devtools.daytona_emulator.settings import names

PAGE = (Path(__file__).parents[2] / "docs" / "daytona-emulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*(name for name, _ in names()), *PRESETS])
def test_settings_and_presets_are_documented(name: str):
    """Every setting and every preset has its line."""
    assert f"`{name}`" in PAGE
