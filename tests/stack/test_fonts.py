"""Plots show Chinese, Japanese, Korean and emoji without any setting in the program."""

from __future__ import annotations

import pytest

from tests.stack.conftest import Run

TEXTS = {"Chinese": "销售额", "Japanese": "売上ひらがな", "Korean": "매출", "emoji": "😀🚀🫠"}

WAYS = {
    "plain": "",
    "a font that is not there": "plt.rcParams['font.sans-serif'] = ['SimHei']",
    "a family that is not there": "plt.rcParams['font.family'] = 'Microsoft YaHei'",
    "serif": "plt.rcParams['font.family'] = 'serif'",
    "seaborn": "import seaborn; seaborn.set_theme()",
    "a style": "plt.style.use('seaborn-v0_8')",
}

DRAW = """
import io, warnings
import numpy as np
import matplotlib.pyplot as plt
warnings.simplefilter("error")
{way}
def drawn(text):
    figure = plt.figure(figsize=(3, 1))
    figure.text(0.1, 0.4, text)
    for kind in ("svg", "pdf"):
        figure.savefig(io.BytesIO(), format=kind)
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba()).copy()

"""


@pytest.mark.parametrize("way", WAYS)
def test_plots_show_the_worlds_letters(run: Run, way: str) -> None:
    """matplotlib warns of no missing glyph, and no two characters look alike, as empty boxes would."""
    code = DRAW.replace("{way}", WAYS[way])
    for text in TEXTS.values():
        code += f"pictures = [drawn(c).tobytes() for c in {text!r}]\nassert len(set(pictures)) == {len(text)}\n"
    answer = run(code)
    assert answer["code"] == 0, answer["stderr"]


def test_a_plot_by_another_python_shows_them_too(run: Run) -> None:
    """A bash program's `python3` and a child process have the same fonts as the program itself."""
    code = f"{DRAW.replace('{way}', '')}drawn({''.join(TEXTS.values())!r})"
    answer = run(f"cat > /tmp/p.py <<'END'\n{code}\nEND\npython3 /tmp/p.py", "bash")
    assert (answer["code"], answer["stderr"]) == (0, "")
