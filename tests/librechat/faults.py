"""The list of what LibreChat's releases are known to do wrong, from faults.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "faults.toml"
_TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:-rc(\d+))?")

Order = tuple[int, ...]
NEWEST: Order = (1_000_000,)
LAST_CANDIDATE = 1_000


@dataclass(frozen=True)
class Fault:
    """What LibreChat does wrong from one release to another."""

    first: str
    last: str | None
    scenarios: tuple[str, ...]
    shows: tuple[str, ...]
    is_: str
    cope: str

    def covers(self, tag: str) -> bool:
        """Whether a release has the fault; a commit that is no release counts as the newest."""
        last = NEWEST if self.last is None else order(self.last)
        return order(self.first) <= order(tag) <= last

    @property
    def releases(self) -> str:
        """The releases in words."""
        if self.last is None:
            return f"{self.first} and later"
        return self.first if self.first == self.last else f"{self.first} to {self.last}"


def known_faults() -> list[Fault]:
    """Read the list, in its order."""
    return [
        Fault(
            entry["from"],
            entry.get("until"),
            tuple(entry["scenarios"]),
            tuple(entry["shows"]),
            entry["is"],
            entry["cope"],
        )
        for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))["fault"]
    ]


def order(tag: str) -> Order:
    """Return a key that sorts tags by age, release candidates before their release."""
    found = _TAG.fullmatch(tag)
    if found is None:
        return NEWEST
    *numbers, candidate = found.groups()
    return (*map(int, numbers), int(candidate) if candidate else LAST_CANDIDATE)
