"""Memory passes the suite of all file stores, except for outliving the process."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.stores.objects import ObjectFiles, open_store
from tests.stores.conformance import SharedConformance


class TestMemory(SharedConformance):
    """Run the suite on memory, which two views may share."""

    @pytest.fixture
    def files(self) -> ObjectFiles:
        """Begin with none."""
        return ObjectFiles(open_store("memory://"))

    @pytest.fixture
    def replica(self, files: ObjectFiles) -> ObjectFiles:
        """Return a second view."""
        return ObjectFiles(files._store)
