"""Multipart bodies and runner frames that are broken at random: no failure, no hang, nothing stored in part."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from librechat_code_interpreter.stores.directory_blobs import open_blobs
from librechat_code_interpreter.stores.session_store import SessionStore
from tests.contract.service import serving
from tests.fuzz import frames, multipart

BODIES = 400
FRAMES = 3000


@pytest.mark.parametrize("route", ["/upload", "/upload/batch"])
async def test_no_broken_form_is_a_failure_or_leaves_half_a_file(tmp_path: Path, route: str) -> None:
    """K36: an answer or a 400 for each, and what is recorded is what stood between two delimiters."""
    async with serving(tmp_path / "store", multipart.no_engine()) as service:
        found = [await multipart.trouble(service, route, Random(seed)) for seed in range(BODIES)]
    assert [trouble for trouble in found if trouble] == []


async def test_no_forged_word_of_a_runner_is_a_failure_of_the_service() -> None:
    """Forged, changed and cut frames make a lost run at worst: there is always a valid answer."""
    store = SessionStore(open_blobs("memory://"))
    found = [await frames.trouble(store, Random(seed)) for seed in range(FRAMES)]
    assert [trouble for trouble in found if trouble] == []
