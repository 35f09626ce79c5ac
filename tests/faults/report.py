"""Write the figures into the documents: tables between marks with their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # both print through here
    from tests.faults.count import Count
    from tests.faults.soak import Soaked


def fault_table(counts: Sequence[Count]) -> str:
    """Write a row for each fault."""
    rows = ["| fault | times | acknowledged | found | left over |", "| --- | ---: | ---: | ---: | --- |"]
    for count in counts:
        cells = (count.fault, count.times, count.acknowledged, count.found, "; ".join(count.left) or "nothing")
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def soak_table(soaked: Soaked) -> str:
    """Write what was held before and after."""
    before = {"memory (MiB)": soaked.before.memory >> 20, **asdict(soaked.before.held)}
    after = {"memory (MiB)": soaked.after.memory >> 20, **asdict(soaked.after.held)}
    before |= {"leases": soaked.before.leases, "files in the store": soaked.before.files}
    after |= {"leases": soaked.after.leases, "files in the store": soaked.after.files}
    what = ", ".join(f"{number} × {name.replace('_', ' ')}" for name, number in sorted(soaked.done.items()))
    rows = [f"{soaked.seconds / 60:.1f} minutes, {sum(soaked.done.values())} actions: {what}.", ""]
    rows += ["| held | warm | at the end |", "| --- | ---: | ---: |"]
    rows += [f"| {name} | {number} | {after[name]} |" for name, number in before.items()]
    return "\n".join([*rows, "", f"Grew: {'; '.join(soaked.complaints) or 'nothing'}."])


def write(path: Path, mark: str, table: str) -> None:
    """Put a table between its marks. Raises ``ValueError`` when the file has none."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->"
    text = path.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    _, mark_end, after = rest.partition(end)
    if not found or not mark_end:
        raise ValueError(f"{path}: no place for the table of {mark}")
    path.write_text(f"{before}{begin}\n{table}\n\n{end}{after}", encoding="utf-8")
