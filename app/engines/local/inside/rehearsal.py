"""Do once in the zygote what every first plot has to do, so that its forks need not: 60 of 150 ms.

A plot's first drawing imports back ends and file formats and fills caches of fonts and glyphs. None of it is specific
to a program; what would be (open figures, open files) is given up again.
"""

from __future__ import annotations

import inspect
import io
import sys
from typing import Any

from app.runner import figures


def draw() -> None:
    """Draw and save what plots mostly are made of, if matplotlib is loaded. Raises whatever that raises."""
    if "matplotlib.pyplot" in sys.modules:
        figures.install()  # pyplot asks once how figures are shown
        _draw_plots(sys.modules["matplotlib.pyplot"])
        _forget_open_fonts()


def program() -> str:
    """Give the text of a program that draws the same."""
    functions = "\n".join(inspect.getsource(function) for function in (_draw_plots, _draw_frame))
    call = 'if "matplotlib.pyplot" in sys.modules:\n    _draw_plots(sys.modules["matplotlib.pyplot"])\n'
    return f"from __future__ import annotations\nimport io, sys\n{functions}\n{call}"


def _draw_plots(pyplot: Any) -> None:
    figure, axes = pyplot.subplots(1, 2)
    axes[0].plot([0, 1, 2], [0.5, 1, -1], marker="o", label="a")
    axes[0].set(title="title", xlabel="x", ylabel="y")
    axes[1].bar(["b", "c"], [10, 1000], label="c")
    _draw_frame(axes[0])
    axes[0].grid(visible=True)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
    pyplot.close("all")


def _draw_frame(axes: Any) -> None:
    pandas: Any = sys.modules.get("pandas")
    if pandas is not None:
        pandas.DataFrame({"x": [0, 1], "d": [1, 2]}).plot(x="x", y="d", ax=axes)


def _forget_open_fonts() -> None:
    """Close the fonts' files: a fork closes what it inherits, and would read another file by their numbers."""
    fonts: Any = sys.modules["matplotlib.font_manager"]
    fonts._get_font.cache_clear()
