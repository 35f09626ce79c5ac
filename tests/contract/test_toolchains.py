"""Which languages are available, and what is reported for a missing one (K14)."""

from __future__ import annotations

from pathlib import Path

import pytest

from librechat_code_interpreter.core import languages, toolchains
from librechat_code_interpreter.core.languages import LANGUAGES, Language
from tests.contract.caller import Caller
from tests.contract.conftest import Serve
from tests.languages import HELLO

_ABSENT = Language("cobol", ("cob",), "main.cob", ("{scratch}/p",), ("no-such-cobc", "{source}"), ("gnucobol",))


@pytest.fixture
def with_cobol(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a language to the table whose toolchain no machine has."""
    monkeypatch.setattr(toolchains, "LANGUAGES", (*LANGUAGES, _ABSENT))
    monkeypatch.setitem(languages.BY_NAME, "cobol", _ABSENT)


@pytest.mark.usefixtures("with_cobol")
async def test_a_missing_toolchain_is_told_in_one_line(caller: Caller) -> None:
    """K14: 200, empty stdout, one clear line on stderr; a language needs only one entry in the table."""
    answer = await caller.exec("DISPLAY 'HELLO'", "Cobol")
    assert (answer["stdout"], answer["files"]) == ("", [])
    assert answer["stderr"] == (
        "[sandbox] The language 'cobol' is not installed in this sandbox: no-such-cobc is missing.\n"
    )


@pytest.mark.usefixtures("with_cobol")
async def test_the_list_of_languages_tells_what_is_missing(serve: Serve) -> None:
    """K14: `GET /languages` lists all of them, which are available, and the package of each; needs the credential."""
    async with serve() as service, service.http() as stranger:
        answer = await service.caller().http.get("/v1/languages")
        refused = await stranger.get("/languages")
    listed = {item.pop("lang"): item for item in answer.json()["languages"]}
    assert listed["py"] == {"aliases": ["python", "python3"], "available": True}
    assert [name for name in HELLO if not listed[name]["available"]] == []
    assert listed["cobol"] == {"aliases": ["cob"], "available": False, "packages": ["gnucobol"]}
    assert refused.status_code == 401


def test_no_two_languages_share_a_name() -> None:
    """K14: every name and alias means one language."""
    names = [name for language in LANGUAGES for name in (language.name, *language.aliases)]
    assert sorted(names) == sorted(set(names)) == sorted(languages.BY_NAME)


def test_every_toolchain_that_is_no_part_of_the_runtime_names_its_package() -> None:
    """K14: `make languages` installs the packages that the table names."""
    assert {language.name for language in LANGUAGES if not language.packages} == {*languages.ALWAYS, "node"}


def test_the_image_has_what_the_languages_need() -> None:
    """K14: `sandbox/apt.txt`, which the Dockerfile installs, contains the package of every language."""
    wanted = {name for language in LANGUAGES for name in language.packages}
    lines = (Path(__file__).parents[2] / "sandbox" / "apt.txt").read_text().splitlines()
    assert sorted(wanted - {line.partition(" ")[0] for line in lines}) == []
