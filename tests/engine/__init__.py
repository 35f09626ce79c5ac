"""Engines: one suite for every one of them (``conformance``), and what is particular to the local one."""

import pytest

pytest.register_assert_rewrite("tests.engine.conformance", "tests.engine.asking")
