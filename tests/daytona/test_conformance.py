"""The Daytona engine passes the engine conformance suite, except for the limit of a workspace's size."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.core.protocols import Sandbox
from tests.engine.conformance import Facts
from tests.engine.conformance.files import Files
from tests.engine.conformance.isolation import Isolation
from tests.engine.conformance.leftovers import Leftovers
from tests.engine.conformance.life import Life
from tests.engine.conformance.pauses import Pauses
from tests.engine.conformance.runs import RunService


class TestDaytonaEngine(Life, Files, RunService, Pauses, Leftovers, Isolation):
    """Run the suite on the engine of ``conftest``."""

    @pytest.mark.skip(reason="the emulator's sandboxes have no disk of their own that could be full")
    async def test_a_file_that_does_not_fit_leaves_nothing(self, sandbox: Sandbox, facts: Facts) -> None:
        """A file larger than the disk is refused."""
