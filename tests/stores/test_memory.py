"""Memory passes the suite of all file stores, except for outliving the process."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.stores.conformance import SharedConformance


class TestMemory(SharedConformance):
    """Run the suite on memory, which two views may share."""

    @pytest.fixture
    def files(self) -> SessionStore:
        """Begin with none."""
        return SessionStore(open_blobs("memory://"))

    @pytest.fixture
    def replica(self, files: SessionStore) -> SessionStore:
        """Return a second view."""
        return SessionStore(files.blobs)
