"""Deferred redrawing of a saved figure: the second drawing takes a quarter of the time of most plots.

``pyplot.savefig`` draws the figure into the file. Then it asks the canvas to redraw when idle (``draw_idle``), which
windows need. Agg has no window, and redraws at once. With this patch it redraws when its picture is requested; most
programs never request it.
"""

from __future__ import annotations

import sys
import types
from typing import Any

_DUE = "_drawing_is_due"
_PICTURE = "renderer"
"""Attribute of the canvas that contains what was drawn."""


def install(backend: types.ModuleType) -> None:
    """Patch the canvas of the Agg backend."""
    canvas: Any = vars(backend)["FigureCanvasAgg"]
    draw, get_renderer, draw_idle = canvas.draw, canvas.get_renderer, canvas.draw_idle

    def draw_now(self: Any) -> Any:
        vars(self).pop(_DUE, None)
        return draw(self)

    def get_renderer_drawn(self: Any) -> Any:
        _draw_if_due(self)
        return get_renderer(self)

    def draw_later(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_savefig(sys._getframe(1)):
            return draw_idle(self, *args, **kwargs)
        vars(self)[_DUE] = True
        vars(self).pop(_PICTURE, None)
        self._lastKey = None  # the canvas's key of its current picture
        return None

    for name, method in (("draw", draw_now), ("get_renderer", get_renderer_drawn), ("draw_idle", draw_later)):
        method.__name__, method.__qualname__ = name, f"{canvas.__qualname__}.{name}"
        method.__doc__ = getattr(canvas, name).__doc__
        setattr(canvas, name, method)
    setattr(canvas, _PICTURE, _Picture())


class _Picture:
    """Descriptor for the picture of a canvas without one: draws it if a redraw is due."""

    def __get__(self, canvas: Any, owner: type[Any]) -> Any:
        if canvas is None or not _draw_if_due(canvas):
            raise AttributeError(f"{owner.__name__!r} object has no attribute {_PICTURE!r}")
        return vars(canvas)[_PICTURE]


def _draw_if_due(canvas: Any) -> bool:
    is_due: bool = vars(canvas).pop(_DUE, False)
    if is_due:
        canvas.draw()
    return is_due


def _is_savefig(caller: types.FrameType) -> bool:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return caller.f_code is getattr(getattr(pyplot, "savefig", None), "__code__", None)
