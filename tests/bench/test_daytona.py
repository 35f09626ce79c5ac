"""The Daytona benchmark, in small."""

from __future__ import annotations

import pytest

from bench.targets import daytona


def test_the_conversations_sandbox_is_found_beside_others() -> None:
    """Another sandbox, made while the service was waited for, used to end the benchmark with an error."""
    found = daytona.measure(turns=5, call_seconds=0.0)
    assert (found["turns"], found["sandboxes_created"]) == (5, 1)
    assert found["calls_per_steady_exec"] == pytest.approx(1, abs=0.5)
