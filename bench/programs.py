"""Name the programs that are measured. Standard library only: rivals' environments import this too."""

from __future__ import annotations

from dataclasses import dataclass

IMPORTS = "import pandas, matplotlib.pyplot"
_PLOT = """
import pandas, matplotlib.pyplot as plt
frame = pandas.DataFrame({"x": range(50), "y": [n * n for n in range(50)]})
frame.plot(x="x", y="y")
plt.savefig("plot.png")
plt.close("all")
"""


@dataclass(frozen=True, slots=True)
class Case:
    """Describe one program: its language as the service names it, its text, and what it must print."""

    name: str
    lang: str
    code: str
    prints: str = "4"
    leaves: str | None = None
    """A file that must come back."""


CASES = (
    Case("print", "py", "print(2+2)"),
    Case("imports", "py", f"{IMPORTS}\nprint(4)"),
    Case("plot", "py", f"{_PLOT}\nprint(4)", leaves="plot.png"),
    Case("bash", "bash", "echo 4"),
    Case("js", "js", "console.log(2+2)"),
    Case("ts", "ts", "const n: number = 2+2; console.log(n)"),
)
BY_NAME = {case.name: case for case in CASES}
TITLES = {
    "print": "`print(2+2)`",
    "imports": "`import pandas, matplotlib.pyplot`",
    "plot": "that, and a plot saved",
    "bash": "bash `echo`",
    "js": "JavaScript `console.log`",
    "ts": "TypeScript `console.log`",
}
