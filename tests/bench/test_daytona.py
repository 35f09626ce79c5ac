"""The Daytona benchmark, in its short form."""

from __future__ import annotations

import pytest

from bench.targets import daytona


def test_the_conversations_sandbox_is_found_beside_others() -> None:
    """A sandbox that was made while the benchmark waited for the service used to end it with an error."""
    found = daytona.measure(turns=5, call_seconds=0.0)
    assert (found["turns"], found["sandboxes_created"]) == (5, 1)
    assert found["calls_per_steady_exec"] == pytest.approx(1, abs=0.5)
