"""The list of what LibreChat's releases are known to do wrong, from faults.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "faults.toml"
_TAG = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:-rc(\d+))?")

SortKey = tuple[int, ...]
NEWEST: SortKey = (1_000_000,)
LAST_CANDIDATE = 1_000


@dataclass(frozen=True)
class Fault:
    """What LibreChat does wrong from one release to another."""

    first: str
    last: str | None
    scenarios: tuple[str, ...]
    shows: tuple[str, ...]
    behavior: str
    handling: str

    def covers(self, tag: str) -> bool:
        """Whether a release has the fault; a commit that is no release counts as the newest."""
        last = NEWEST if self.last is None else sort_key(self.last)
        return sort_key(self.first) <= sort_key(tag) <= last

    @property
    def releases(self) -> str:
        """The releases in words."""
        if self.last is None:
            return f"{self.first} and later"
        return self.first if self.first == self.last else f"{self.first} to {self.last}"


def known_faults() -> list[Fault]:
    """Read what shows in a scenario, in the order of the list."""
    return _read("fault")


def compensated_faults() -> list[Fault]:
    """Read what the service compensates."""
    return _read("compensated")


def _read(kind: str) -> list[Fault]:
    return [
        Fault(
            entry["from"],
            entry.get("until"),
            tuple(entry.get("scenarios", ())),
            tuple(entry.get("shows", ())),
            entry["behavior"],
            entry["handling"],
        )
        for entry in tomllib.loads(FILE.read_text(encoding="utf-8"))[kind]
    ]


def sort_key(tag: str) -> SortKey:
    """Return a key that sorts tags by age, release candidates before their release."""
    found = _TAG.fullmatch(tag)
    if found is None:
        return NEWEST
    *numbers, candidate = found.groups()
    return (*map(int, numbers), int(candidate) if candidate else LAST_CANDIDATE)
