"""The local engine passes the engine conformance suite."""

from __future__ import annotations

from tests.engine.conformance import EngineConformance


class TestLocalEngine(EngineConformance):
    """Run the suite on the engine of ``conftest``."""
