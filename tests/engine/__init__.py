"""Engines: a common suite (``conformance``), and tests of the local engine."""

import pytest

pytest.register_assert_rewrite("tests.engine.conformance", "tests.engine.asking")
