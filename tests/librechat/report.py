"""What came of each release, in the terminal and in docs/compatibility.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.librechat.faults import Fault, compensated_faults, known_faults


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


def fault_list(rows: Sequence[Row]) -> str:
    """List what LibreChat does wrong, as far as it showed in these rows."""
    shown = {fault for row in rows for fault in row.known.values()}
    return _list(fault for fault in known_faults() if fault in shown)


def compensated_list(rows: Sequence[Row]) -> str:
    """List what LibreChat does wrong and the service compensates, in the releases of these rows."""
    return _list(fault for fault in compensated_faults() if any(fault.covers(row.release) for row in rows))


def missing_list(missing: dict[str, str]) -> str:
    """Write which releases could not be run, and why."""
    return "".join(f"\n{tag} could not be run: {reason}\n" for tag, reason in missing.items())


def document(rows: Sequence[Row], missing: dict[str, str]) -> str:
    """Write the part of docs/compatibility.md that this run is about."""
    parts = [
        table(rows),
        missing_list(missing).strip(),
        "### What LibreChat itself does wrong, by release",
        fault_list(rows),
        "### What the service compensates",
        compensated_list(rows),
    ]
    return "\n\n".join(part for part in parts if part)


def _list(faults: Iterable[Fault]) -> str:
    return "\n".join(f"- **{fault.releases}**: {fault.behavior} *{fault.handling}*" for fault in faults)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
