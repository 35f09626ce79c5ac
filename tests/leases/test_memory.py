"""Leases in memory keep the promises of all leases."""

from __future__ import annotations

import pytest

from app.core.ports import Leases
from app.leases.memory import MemoryLeases
from tests.leases.conformance import LeasesConformance


class TestMemoryLeases(LeasesConformance):
    """Run the suite on memory."""

    @pytest.fixture
    def leases(self) -> Leases:
        """Begin with none."""
        return MemoryLeases()
