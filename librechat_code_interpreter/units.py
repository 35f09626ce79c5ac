"""Byte sizes in human-readable units."""

from __future__ import annotations

import re

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB
TiB = 1024 * GiB

_BINARY = {"TiB": TiB, "GiB": GiB, "MiB": MiB, "KiB": KiB}
_FACTORS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    unit.lower(): factor for unit, factor in _BINARY.items()
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)", re.ASCII | re.IGNORECASE)


def parse_bytes(size: str | int) -> int:
    """Parse a number of bytes: ``20971520``, ``20MiB``, ``1.5 GiB``, ``20MB`` (decimal), any case.

    Raises ``ValueError`` for anything else, including a bare ``20M``, which is ambiguous.
    """
    if isinstance(size, int):
        return size
    match = _SIZE.fullmatch(size.strip())
    factor = _FACTORS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError("not a size: give bytes (20971520) or a size with its unit (20MiB)")
    return int(float(match[1]) * factor) if "." in match[1] else int(match[1]) * factor


def human_bytes(size: int) -> str:
    """Format bytes in the largest binary unit that divides them: ``20 MiB``, ``1000 bytes``."""
    for unit, factor in _BINARY.items():
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"
