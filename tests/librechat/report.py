"""What came of each release, in the terminal and in docs/compatibility.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.librechat.faults import Fault


@dataclass
class Row:
    """One release with one credential."""

    release: str
    date: str
    client: str
    node: str
    credential: str
    passed: list[str] = field(default_factory=list)
    known: dict[str, Fault] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Why, by scenario."""
    seconds: float = 0.0

    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        failed = ", ".join(self.failed) if self.failed else "0"
        tried = len(self.passed) + len(self.known) + len(self.failed)
        return (
            f"{self.release} ({self.date})",
            self.client,
            self.node,
            self.credential,
            str(tried),
            str(len(self.passed)),
            str(len(self.known)),
            failed,
        )


HEAD = ("LibreChat", "client", "Node", "credential", "scenarios", "as it should be", "LibreChat's own faults", "failed")


def table(rows: Sequence[Row]) -> str:
    """Write the table."""
    return "\n".join([_line(HEAD), _line(["---"] * len(HEAD)), *(_line(row.cells()) for row in rows)])


def fault_list(faults: Iterable[Fault], rows: Sequence[Row]) -> str:
    """Write what LibreChat does wrong, one paragraph each; only what showed in these rows."""
    seen = {id(fault) for row in rows for fault in row.known.values()}
    return "\n".join(f"- **{fault.releases}**: {fault.is_} {fault.cope}" for fault in faults if id(fault) in seen)


def missing_list(missing: dict[str, str]) -> str:
    """Write which releases could not be run, and why."""
    return "".join(f"\n{tag} could not be run: {reason}\n" for tag, reason in missing.items())


def document(rows: Sequence[Row], faults: Iterable[Fault], missing: dict[str, str]) -> str:
    """Write the part of docs/compatibility.md that this run is about."""
    parts = [
        table(rows),
        missing_list(missing),
        "### What LibreChat itself does wrong, by release",
        fault_list(faults, rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
