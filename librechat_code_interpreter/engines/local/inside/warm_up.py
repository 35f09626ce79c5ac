"""Warm-up of the zygote: first-time work, done here so that its forks need not do it.

A plot's first drawing imports back ends and file formats and fills caches of fonts and glyphs: 60 of 150 ms. None of it
is specific to a program. What would be specific (open figures, open files) is closed again.

The interpreter rewrites code in its first runs, to adapt it, and fills its attribute caches. These are 130 of the pages
that a runner has to copy.
"""

from __future__ import annotations

import inspect
import io
import json
import os
import shutil
import socket
import sys
import tempfile
from typing import Any

from librechat_code_interpreter.runner import matplotlib_show, process, serve
from librechat_code_interpreter.runner.messages import Limits, Program, Request

_ROUNDS = 12
"""CPython 3.11 adapts code that has run eight times."""


def run() -> None:
    """Serve some programs as their runner. The caller must have no child processes that have to survive."""
    ours, theirs = socket.socketpair()
    directory = tempfile.mkdtemp()  # ``TemporaryDirectory`` would be cleaned up by each program, too, as it exits
    with ours, theirs:
        for _ in range(_ROUNDS):
            ours.sendall(request("print(2 + 2)", directory))
            serve.serve(theirs, None, directory)
            ours.recv(len(serve.STARTED + serve.REPLY), socket.MSG_WAITALL)
            serve.read_message(ours)
    shutil.rmtree(directory)
    process.adopt_orphans(adopt=False)


def request(source: str, directory: str) -> bytes:
    """Return the packed request that makes a runner run this program."""
    program, environment = Program(source, "main.py", "warm"), dict(os.environ)
    order = Request(program, Limits(), environment, workspace=directory, scratch=directory)
    return serve.pack(json.dumps(order.to_json()).encode())


def draw() -> None:
    """Draw and save the usual elements of plots, if matplotlib is loaded. Raises whatever that raises."""
    if "matplotlib.pyplot" in sys.modules:
        matplotlib_show.install()  # pyplot asks once how figures are shown
        _draw_plots(sys.modules["matplotlib.pyplot"])
        _forget_open_fonts()


def program() -> str:
    """Return the source of a program that draws the same plots."""
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
    """Close the font files: a fork closes inherited descriptors, and would read another file under their numbers."""
    fonts: Any = sys.modules["matplotlib.font_manager"]
    fonts._get_font.cache_clear()
