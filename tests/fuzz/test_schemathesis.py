"""Requests that schemathesis generates from the API's description: none is a failure of the service (K42)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import schema
from tests.service import ROOT

SECONDS = 18
"""For all ways together."""


def test_the_description_is_that_of_the_routes() -> None:
    """`docs/openapi.json` matches the application; `python tools/openapi.py --write` updates it."""
    done = subprocess.run([sys.executable, ROOT / "tools" / "openapi.py", "--check"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("way", schema.WAYS, ids=lambda way: way.name)
def test_no_request_is_a_failure_of_the_service(tmp_path: Path, way: schema.Way) -> None:
    """Every answer has a status and a body that the description promises, and the service still runs."""
    outcome = schema.made_up(tmp_path, way, round(SECONDS * way.share))
    assert outcome.failed == 0, outcome.told
    assert outcome.sent > 0
    assert outcome.tracebacks == 0
