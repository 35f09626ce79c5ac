"""Patch for ``plt.show()``: saves a PNG in the working directory (K22), without changing the user's source.

matplotlib lets a backend define how its figures are shown. The patch applies to Agg, which draws without a display.
"""

from __future__ import annotations

import os
import types
from importlib import import_module
from typing import Any

from librechat_code_interpreter.runner import afterimport, redrawing

_NAME = "plot-{}.png"
_MARK = "_shows_by_saving"


def install() -> None:
    """Patch the Agg backend at its first import, or now if it is loaded."""
    afterimport.call("matplotlib.backends.backend_agg", _patch)


def _patch(backend: types.ModuleType) -> None:
    if getattr(backend, _MARK, False):  # already patched in the zygote
        return
    figures: Any = import_module("matplotlib._pylab_helpers").Gcf
    base: Any = import_module("matplotlib.backend_bases").FigureManagerBase

    class SavingManager(base):  # type: ignore[misc]  # this class exists only where matplotlib is installed
        """Figure manager that shows a figure by saving it."""

        def show(self) -> None:
            """Save this figure under the next free name."""
            self.canvas.figure.savefig(_free_name(), bbox_inches="tight")

        @classmethod
        def pyplot_show(cls, *_: Any, **__: Any) -> None:
            """Save all open figures and close them, as closing their windows would."""
            for manager in figures.get_all_fig_managers():
                manager.show()
            figures.destroy_all()

    redrawing.install(backend)
    vars(backend)[_MARK] = True
    vars(backend)["FigureManager"] = SavingManager
    vars(backend)["FigureCanvasAgg"].manager_class = SavingManager


def _free_name() -> str:
    number = 1
    while os.path.lexists(_NAME.format(number)):
        number += 1
    return _NAME.format(number)
