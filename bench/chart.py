"""Draw a run's medians, one panel for each program: `python -m bench.chart run.json chart.svg` (or .png).

Needs matplotlib, so the sandbox runtime's Python runs it.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.programs import TITLES
from bench.table import NAMES

_COLOURS = {
    "service": "#1f77b4", "bare": "#bbbbbb", "bwrap": "#888888", "llm-sandbox": "#d95f02", "ipykernel": "#7570b3",
}  # fmt: skip


def draw(run: dict[str, Any], target: Path) -> None:
    """Draw one panel for each case: p50 by callers at once, both axes logarithmic."""
    mpl = import_module("matplotlib")
    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text, which keeps the file small
    mpl.rcParams["svg.hashsalt"] = "bench"  # the same run gives the same file
    pyplot = import_module("matplotlib.pyplot")
    cases = list(dict.fromkeys(row["case"] for row in run["rows"]))
    figure, panels = pyplot.subplots(2, (len(cases) + 1) // 2, figsize=(12, 7), sharex=True, squeeze=False)
    for case, panel in zip(cases, panels.flat, strict=False):
        _panel(panel, [row for row in run["rows"] if row["case"] == case and row.get("p50")])
        panel.set_title(TITLES[case].replace("`", ""), fontsize=10)
    panels.flat[0].set_ylabel("p50, ms")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)


def _panel(panel: Any, rows: list[dict[str, Any]]) -> None:
    for name, colour in _COLOURS.items():
        points = [(row["at_once"], row["p50"]) for row in rows if row["contender"] == name]
        if points:
            width = 2.5 if name == "service" else 1.2
            panel.plot(*zip(*points, strict=True), marker="o", color=colour, label=NAMES[name], linewidth=width)
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xticks([1, 8, 32, 128], ["1", "8", "32", "128"])
    panel.grid(alpha=0.3)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
