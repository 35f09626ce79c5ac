"""Leases in memory pass the suite of all leases."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.core.protocols import Leases, SharedPool
from librechat_code_interpreter.leases.memory import MemoryLeases
from librechat_code_interpreter.leases.memory_pool import MemoryPool
from tests.leases.conformance import LeasesConformance
from tests.leases.stock_conformance import StockConformance


class TestMemoryLeases(LeasesConformance):
    """Run the suite on memory."""

    @pytest.fixture
    def leases(self) -> Leases:
        """Begin with none."""
        return MemoryLeases()


class TestMemoryStock(StockConformance):
    """Run the suite on memory."""

    @pytest.fixture
    def stock(self) -> SharedPool:
        """Begin with none."""
        return MemoryPool()
