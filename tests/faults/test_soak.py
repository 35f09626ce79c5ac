"""A service at work does not grow; ``make soak`` checks it for half an hour."""

from __future__ import annotations

from pathlib import Path

from tests.faults.soak import soak

SOAK_SECONDS = 20.0


async def test_a_service_that_works_does_not_grow(place: Path) -> None:
    """Memory, descriptors, processes, control groups, leases and files: the same at rest as before."""
    soaked = await soak(place / "soak", SOAK_SECONDS)
    assert soaked.complaints == []
