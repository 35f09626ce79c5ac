"""Fixtures of the fault tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory that the sandboxes' uid can pass through."""
    directory = tmp_path_factory.mktemp("faults")
    for path in (directory, directory.parent):
        path.chmod(0o755)
    return directory
