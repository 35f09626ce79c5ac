"""One client of each generation plays the checks that `make test-clients` plays with all that npm has."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.checks import (
    CHECKS,
    Check,
    ClientUnderTest,
    check_bash,
    check_tools_from_bash,
    check_tools_from_python,
    client_under_test,
    offers,
)
from tests.clients.generations import GENERATIONS, RELEASES, generation_of, is_newer_than_known, parse_version
from tests.clients.published import install_published
from tests.service import LiveService

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
NOT_OFFERED: dict[str, set[Check]] = {
    "1.8.8": {check_bash, check_tools_from_python, check_tools_from_bash},
    "2.4.82": {check_bash, check_tools_from_python, check_tools_from_bash},
    "3.0.50": {check_bash, check_tools_from_bash},
    "3.1.63": {check_tools_from_bash},
    "3.4.0": set(),
    "3.9.2": set(),
}
CASES = [(version, check) for version, lacks in NOT_OFFERED.items() for check in CHECKS if check not in lacks]


@pytest.fixture(scope="module")
def clients(
    live_service: LiveService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], ClientUnderTest]]:
    """Each version, set up when it is first asked for, and in the same processes for all its checks."""
    with ExitStack() as stack:

        @functools.cache
        def client(version: str) -> ClientUnderTest:
            directory = tmp_path_factory.mktemp("uploads")
            return stack.enter_context(client_under_test(version, install_published(version), live_service, directory))

        yield client


@pytest.mark.parametrize(
    ("version", "check"),
    CASES,
    ids=[f"{version}-{check.__name__.removeprefix('check_')}" for version, check in CASES],
)
def test_a_published_client_passes(clients: Callable[[str], ClientUnderTest], version: str, check: Check) -> None:
    """K5, K6, section 9: what each check's docstring claims, by the conventions of the client's generation."""
    check(clients(version))


@pytest.mark.parametrize("version", NOT_OFFERED)
def test_no_check_is_left_out_that_a_client_could_play(clients: Callable[[str], ClientUnderTest], version: str) -> None:
    """Section 9: a client that lacks a check here has no tool for it."""
    lacking = {check for check in CHECKS if not offers(clients(version), check)}
    assert lacking == NOT_OFFERED[version]


def test_a_version_of_tomorrow_is_taken_for_the_newest_generation() -> None:
    """A client that came after all that we know has the conventions of the last one, and is said to be new."""
    newest = max(RELEASES, key=parse_version)
    assert not is_newer_than_known(newest)
    assert is_newer_than_known("99.0.0")
    assert generation_of("99.0.0") is generation_of(newest) is GENERATIONS[-1]


def test_the_page_has_a_row_for_every_known_version() -> None:
    """`docs/compatibility.md` names each version that we know to be published, in the order of versions."""
    rows = re.findall(r"^\| (\d+\.\d+\.\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(RELEASES) <= set(rows)
    assert rows == sorted(rows, key=parse_version)
