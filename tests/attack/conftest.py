"""One service under attack for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from attack.arena import Arena, prepared
from tests.contract.service import settings_for


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """Start the service with small limits, its neighbour and the decoys."""
    with prepared(settings_for(tmp_path_factory.mktemp("unused")), quick=True) as arena:
        yield arena
