"""Read a lock file: which package, in which release."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "requirements.txt"
SANDBOX = ROOT / "sandbox" / "packages.lock"
SUPPLY = ROOT / ".cache" / "supply" / "bin"
"""The programs of ``tools/supply.lock``, in an environment of their own."""

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def locked(lock: Path) -> set[tuple[str, str]]:
    """Return each package, by its normalised name (PEP 503), and its release; some have two, by Python's version."""
    return {(plain(name), release) for name, release in _PIN.findall(lock.read_text(encoding="utf-8"))}


def plain(name: str) -> str:
    """Normalise a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()
