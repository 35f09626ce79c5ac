"""Counts of a fault: how often it was brought about, what had been acknowledged, and what was found afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Count:
    """A row of the table."""

    fault: str
    times: int = 0
    acknowledged: int = 0
    """Files whose upload or run was answered, and whose deletion was not asked for."""

    found: int = 0
    """Those of them that are listed and come byte for byte."""

    left: list[str] = field(default_factory=list)
    """What should not be there: processes, groups, half a file; or what should have worked and did not."""

    def complaints(self) -> list[str]:
        """Return what must not have happened."""
        lost = self.acknowledged - self.found
        never = ["the fault never came about"] * (self.times == 0)
        return never + ([f"{lost} files lost"] if lost else []) + self.left
