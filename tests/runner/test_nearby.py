"""A missing package's error suggests similar ones (``runner.package_hints``)."""

from __future__ import annotations

import pytest

from tests.runner.host import Bench

LINE = "[sandbox] There is no package '{}' here. Near it: {}.\n"


@pytest.mark.parametrize(
    ("program", "wanted", "near"),
    [
        ("import jsom", "jsom", "json"),
        ("from Simplejson.encoder import JSONEncoder", "Simplejson", "json"),
        ("import ujson", "ujson", "json"),
        ("import usres", "usres", "users"),
    ],
)
def test_one_line_names_what_is_near(bench: Bench, program: str, wanted: str, near: str) -> None:
    """By the same purpose, by another name, by likeness; modules in the workspace count; the traceback stays."""
    (bench.workspace / "users.py").write_text("")
    reply = bench.python(program)
    assert f"ModuleNotFoundError: No module named '{wanted}" in reply.stderr
    assert (reply.stderr.endswith(LINE.format(wanted, near)), reply.code) == (True, 1)


@pytest.mark.parametrize(
    "program",
    [
        "import no_such_thing_anywhere",
        "import json.no_such_part",
        "raise ModuleNotFoundError('my own')",
        "try:\n    import jsom\nexcept ImportError:\n    raise SystemExit('caught')",
    ],
)
def test_nothing_is_said_without_need(bench: Bench, program: str) -> None:
    """No suggestion if nothing is similar, a submodule is missing, or the program handles the error."""
    assert "[sandbox]" not in bench.python(program).stderr
