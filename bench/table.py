"""Write a run as text: one table, the targets, the noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.programs import TITLES

Run = dict[str, Any]
_COLUMNS = ("p50 ms", "p95", "p99", "to ours", "per s", "CPU ms", "MiB", "failed")
NAMES = {
    "service": "this service", "bare": "bare process", "bwrap": "bare bwrap", "llm-sandbox": "llm-sandbox",
    "ipykernel": "warm ipykernel",
}  # fmt: skip


def text_of(run: Run) -> str:
    """Write everything."""
    return "\n".join([*rows_of(run), "", *targets_of(run), *errors_of(run), "", noise_of(run)])


def squares(run: Run) -> Iterator[tuple[str, int, list[dict[str, Any]]]]:
    """Return the rows that belong together: one case at one level."""
    keys = dict.fromkeys((row["case"], row["at_once"]) for row in run["rows"])
    for case, at_once in keys:
        yield case, at_once, [row for row in run["rows"] if (row["case"], row["at_once"]) == (case, at_once)]


def cells(row: dict[str, Any], ours: float | None) -> list[str]:
    """Write one row's figures; ``ours`` is the service's median."""
    if row.get("p50") is None:
        return [row["cannot"] or "failed"]
    times = [f"{row[name]:.1f}" for name in ("p50", "p95", "p99")]
    share = f"{row['p50'] / ours:.2f} ×" if ours else "–"
    failed = sum(row["failures"].values())
    refused = f" + {row['refused']} × 429" if row["refused"] else ""
    used = [f"{row['per_second']:.1f}", f"{row['cpu_ms']:.1f}", f"{row['memory_mib']:.0f}", f"{failed}{refused}"]
    return [*times, share, *used]


def rows_of(run: Run) -> Iterator[str]:
    """Write the table."""
    yield f"{'':36}" + "".join(f"{name:>9}" for name in _COLUMNS)
    for case, at_once, rows in squares(run):
        ours = next((row.get("p50") for row in rows if row["contender"] == "service"), None)
        yield f"{TITLES[case].replace('`', '')}, {'one at a time' if at_once == 1 else f'{at_once} at once'}"
        for row in rows:
            yield f"    {NAMES[row['contender']]:32}" + "".join(f"{word:>9}" for word in cells(row, ours))


def errors_of(run: Run) -> Iterator[str]:
    """Write why a figure is missing."""
    for name, figures in run["measured"].items():
        if "error" in figures:
            yield f"{name}: {figures['error']}"


def figure(value: float | None, unit: str) -> str:
    """Write a figure with suitable precision."""
    return "not measured" if value is None else f"{value:.3g} {unit}".strip()


def targets_of(run: Run) -> Iterator[str]:
    """Write the targets, met or not."""
    for target in run["targets"]:
        met = {True: "met", False: "NOT MET", None: "–"}[target["met"]]
        yield f"{target['name']:52} {target['wanted']:>14} {figure(target['got'], target['unit']):>16}  {met}"


def noise_of(run: Run) -> str:
    """Write how steady the machine was."""
    noise = run["noise"]
    spread, worst = noise["spin_p95_over_p50"], noise["spin_max_over_p50"]
    return (
        f"Machine noise: the same piece of work ({noise['spin_p50_ms']:.1f} ms) took up to {spread:.2f} × its median"
        f" in 95 % of the looks and {worst:.1f} × at worst; the host took away {noise['steal_percent']:.1f} % of the"
        f" processors; load at the start {noise['load_at_start']:.1f}."
    )
