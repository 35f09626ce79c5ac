"""`plt.show()` leaves its figures as PNG files, as users expect of a notebook (K22)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from librechat_code_interpreter.runner.messages import Reply
from tests.runner.conftest import make_bench
from tests.runner.host import Bench, Host, running_host
from tests.runtime import RUNTIME_PYTHON

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\n"


@pytest.fixture(scope="session")
def drawing_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Build matplotlib's font cache once, not in each test; Agg is the backend of every sandbox."""
    return {"MPLCONFIGDIR": str(tmp_path_factory.mktemp("matplotlib")), "MPLBACKEND": "Agg"}


@pytest.fixture(scope="session")
def drawing_host(drawing_environment: dict[str, str]) -> Iterator[Host]:
    """Run the sandbox runtime's interpreter with pyplot in memory, as the loaded zygote has it."""
    with running_host(RUNTIME_PYTHON, ("matplotlib.pyplot",), drawing_environment) as host:
        yield host


@pytest.fixture
def loaded(drawing_host: Host, drawing_environment: dict[str, str], tmp_path: Path) -> Bench:
    """A bench where pyplot is loaded already."""
    return make_bench(drawing_host, tmp_path, **drawing_environment)


@pytest.fixture
def bare(drawing_environment: dict[str, str], tmp_path: Path) -> Iterator[Bench]:
    """A bench where the program is the first to import pyplot."""
    with running_host(RUNTIME_PYTHON, (), drawing_environment) as host:
        yield make_bench(host, tmp_path, **drawing_environment)


def pictures(reply: Reply) -> list[str]:
    """Name the files made; each has to be a PNG."""
    assert (reply.ending, reply.stderr) == ("ok", "")
    for file in reply.changed:
        assert base64.b64decode(file.content or "").startswith(b"\x89PNG\r\n")
    return [file.path for file in reply.changed]


def test_show_saves_the_figure(loaded: Bench) -> None:
    """One figure shown is one PNG in the working directory."""
    assert pictures(loaded.python(PLOT + "plt.show()")) == ["plot-1.png"]


def test_show_saves_where_pyplot_was_not_loaded(bare: Bench) -> None:
    """It does not matter who imports matplotlib first."""
    assert pictures(bare.python(PLOT + "plt.show()")) == ["plot-1.png"]


@pytest.mark.parametrize(
    "choice",
    [
        "import matplotlib; matplotlib.use('Agg')\n",
        "import matplotlib; matplotlib.use('agg', force=True)\n",
        "import os; os.environ['MPLBACKEND'] = 'agg'\n",
        "import matplotlib.pyplot as plt; plt.switch_backend('Agg')\n",
    ],
)
def test_choosing_agg_changes_nothing(loaded: Bench, choice: str) -> None:
    """Programs that choose the backend, as for servers, have their figures saved as well."""
    assert pictures(loaded.python(choice + PLOT + "plt.show()")) == ["plot-1.png"]


def test_choosing_agg_before_pyplot_is_loaded_changes_nothing(bare: Bench) -> None:
    """The same if the choice comes before the first import of pyplot."""
    assert pictures(bare.python("import matplotlib\nmatplotlib.use('Agg')\n" + PLOT + "plt.show()")) == ["plot-1.png"]


def test_each_show_saves_what_was_drawn_since(loaded: Bench) -> None:
    """A figure that was shown is closed: the next show saves the next figures, all of them."""
    source = PLOT + "plt.show()\n" + PLOT + "plt.figure(); plt.plot([2, 1])\nplt.show()\nplt.show()\n"
    assert pictures(loaded.python(source + "print(plt.get_fignums())")) == ["plot-1.png", "plot-2.png", "plot-3.png"]


@pytest.mark.parametrize("call", ["plt.show(block=False)", "plt.show(block=True)", "plt.gcf().show()"])
def test_other_ways_to_show_save_too(loaded: Bench, call: str) -> None:
    """``block`` and ``pause`` do not matter; one figure can be shown by itself."""
    assert pictures(loaded.python(PLOT + call)) == ["plot-1.png"]


def test_the_object_interface_saves_too(loaded: Bench) -> None:
    """`fig, ax = plt.subplots()` is the same figure."""
    source = "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1])\nfig.show()\n"
    assert pictures(loaded.python(source)) == ["plot-1.png"]


def test_a_taken_name_is_left_alone(loaded: Bench) -> None:
    """Earlier figures, of this run or another, and the user's own files are not overwritten."""
    (loaded.workspace / "plot-1.png").write_text("the user's")
    loaded.python(PLOT + "plt.show()")
    assert pictures(loaded.python(PLOT + "plt.show()")) == ["plot-3.png"]
    assert (loaded.workspace / "plot-1.png").read_text() == "the user's"


def test_figures_land_in_the_working_directory(loaded: Bench) -> None:
    """A program that changes its directory finds its figures there."""
    source = "import os; os.mkdir('out'); os.chdir('out')\n" + PLOT + "plt.show()"
    assert pictures(loaded.python(source)) == ["out/plot-1.png"]


def test_without_show_nothing_is_saved(loaded: Bench) -> None:
    """A figure that is not shown is not saved, and one saved by the program is saved once."""
    assert pictures(loaded.python(PLOT)) == []
    assert pictures(loaded.python(PLOT + "plt.savefig('mine.png'); plt.close()")) == ["mine.png"]


def test_the_users_line_numbers_stay_true(loaded: Bench) -> None:
    """The user's source is unchanged: an error after show has its own line."""
    reply = loaded.python(PLOT + "plt.show()\n1 / 0\n")
    assert 'main.py", line 4, in <module>\n    1 / 0' in reply.stderr
    assert [file.path for file in reply.changed] == ["plot-1.png"]


_COUNTED = """
import matplotlib.figure
drawn, draw = [], matplotlib.figure.Figure.draw
def counting(figure, *args, **kwargs):
    drawn.append(figure)
    return draw(figure, *args, **kwargs)
matplotlib.figure.Figure.draw = counting
"""


def test_a_saved_figure_is_drawn_once(loaded: Bench) -> None:
    """pyplot asks for a second, invisible drawing after each file; two files are two drawings."""
    code = PLOT + _COUNTED + "plt.savefig('a.png')\nplt.savefig('b.png')\nprint(len(drawn))"
    assert loaded.python(code).stdout == "2\n"


@pytest.mark.parametrize(
    "look",
    [
        "bytes(canvas.buffer_rgba())",
        "bytes(canvas.tostring_argb())",
        "bytes(canvas.renderer.buffer_rgba())",
        "bytes(canvas.get_renderer().buffer_rgba())",
        "bytes(canvas.copy_from_bbox(figure.bbox))",
    ],
)
@pytest.mark.parametrize("options", ["", ", dpi=50, transparent=True"])
def test_who_looks_at_the_canvas_after_saving_sees_the_figure_drawn(loaded: Bench, look: str, options: str) -> None:
    """After ``savefig`` a canvas shows what drawing it then gives, however it is read."""
    code = (
        PLOT
        + f"""
figure = plt.gcf()
canvas = figure.canvas
plt.savefig('a.png'{options})
seen = {look}
canvas.draw()
print(seen == {look}, len(set(seen)) > 2)
"""
    )
    assert loaded.python(code).stdout == "True True\n"


def test_other_requests_to_draw_are_met_at_once(loaded: Bench) -> None:
    """Also after a file was saved: ``plt.draw`` is how programs have positions worked out."""
    code = PLOT + _COUNTED + "plt.savefig('a.png')\nplt.draw()\nplt.gcf().canvas.draw_idle()\nprint(len(drawn))"
    assert loaded.python(code).stdout == "3\n"


def test_a_canvas_never_drawn_has_no_picture(loaded: Bench) -> None:
    """The same as in plain matplotlib."""
    code = PLOT + "print(hasattr(plt.gcf().canvas, 'renderer'))\nplt.gcf().canvas.buffer_rgba()"
    reply = loaded.python(code)
    assert reply.stdout == "False\n"
    assert "AttributeError: 'FigureCanvasAgg' object has no attribute 'renderer'" in reply.stderr
