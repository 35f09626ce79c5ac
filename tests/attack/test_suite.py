"""The suite detects an escape of every kind, and the documents list its attacks."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attack import report, suite
from attack.arena import Arena
from attack.catalogue import Attack
from attack.requests import RequestAttack
from attack.target import Answer

ATTACKS = suite.load()
SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
PLAIN = Attack("Test", "an attack", "Nothing happens.", "print('HELD fine')")


def escape(arena: Arena, **changes: Any) -> str:
    return suite.make(arena, replace(PLAIN, **changes)).escape


def test_a_contained_attack_says_what_held_it(arena: Arena) -> None:
    """A run without an escape, with this output of the program."""
    verdict = suite.make(arena, PLAIN)
    assert (verdict.escape, verdict.held_by) == ("", "fine")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"code": "print('HELD a')\nescaped('by the door')"}, "by the door"),
        ({"code": "refused('the workspace', os.listdir, '.')"}, "the workspace"),
        ({"code": "check('five', 2 + 2 == 5)"}, "not so: five"),
        ({"code": "1 / 0"}, "it proved nothing"),
        ({"code": "pass"}, "it proved nothing"),
        ({"code": "held('a')", "ends": ("TO",)}, "it ended with EXIT"),
        ({"code": "held('a')\nopen('x.txt', 'w').write('x')", "delivers": ()}, "delivered were ['x.txt']"),
        ({"code": "held('a')\nopen('x.txt', 'w').write('root:x:0:0')"}, "what is not the program's"),
        ({"code": "held('a')\nopen('x', 'w').write('x' * 99)", "most_bytes": "98"}, "99 bytes were carried out"),
        ({"code": "if true; then echo ESCAPED loudly; fi", "lang": "bash"}, "loudly"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_escape_is_noticed(arena: Arena, changes: dict[str, Any], told: str) -> None:
    """Output, ending, leftovers and delivered files of a program are each checked for an escape."""
    assert told in escape(arena, **changes)


def test_a_secret_in_the_output_is_noticed(arena: Arena) -> None:
    """Whatever a program prints is searched for the service's secrets and the neighbour's."""
    for secret in arena.secrets:
        assert "a secret came out" in escape(arena, code=f"held('a')\nprint('{secret[:9]}' + '{secret[9:]}')")


def test_what_is_left_on_the_host_is_noticed(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of anything than before the attacks, or a marked name on the host."""
    assert arena.own is not None
    monkeypatch.setattr("attack.own_service.SETTLE_SECONDS", 0.0)
    left = arena.own.directory / "tmp" / "left"
    left.mkdir()
    assert "1 more directories" in suite.aftermath(arena)
    left.rmdir()
    marked = Path("/tmp", f"of-{arena.mark}")
    marked.touch()
    assert f"{marked} on the host" in suite.aftermath(arena)
    marked.unlink()
    with socket.create_connection(("127.0.0.1", arena.target.port)):
        assert "more descriptors" in suite.aftermath(arena)


def test_a_caller_from_inside_is_noticed(arena: Arena) -> None:
    """A connection to the host's decoy counts as an escape, whatever the program prints."""
    with socket.create_connection(("127.0.0.1", arena.decoys.port)) as caller:
        caller.recv(1)  # its end: it was accepted, and counted
        assert "came through to the host" in suite.aftermath(arena)


def test_a_harmed_neighbour_is_noticed(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    """A neighbour's program that ended wrongly, and runs that became slow, count as an escape."""
    arena.neighbour.harm.append("the neighbour's program was disturbed")
    assert "disturbed" in suite.aftermath(arena)
    monkeypatch.setattr("attack.neighbour.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("attack.neighbour.FLOOR_SECONDS", 0.0)
    monkeypatch.setattr(arena.neighbour, "usual_seconds", 0.0)
    assert "the neighbour's runs take" in suite.aftermath(arena)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(500, {}, b'{"error":"x"}'), "status 500"),
        (Answer(200, {}, b""), "status 200"),
        (Answer(404, {}, b"Not found"), "no error in JSON"),
        (Answer(404, {}, b'{"error":"Traceback (most recent call last)"}'), "tells too much"),
        (Answer(404, {"x-injected": "1"}, b'{"error":"x"}'), "a header was injected"),
    ],
    ids=["failure", "success", "no JSON", "stack trace", "header"],
)
def test_an_answer_that_must_not_be_is_noticed(arena: Arena, answer: Answer, told: str) -> None:
    """Requests are judged by their answers."""
    attack = RequestAttack("test", "None of it.", lambda _: [("this", answer)])
    assert told in suite.make(arena, attack).escape


def test_attacks_are_many_and_well_described() -> None:
    """At least 120 attacks, each with a unique name in its group and a claim that is a sentence."""
    assert len(ATTACKS) >= 120
    assert len({(attack.group, attack.name) for attack in ATTACKS}) == len(ATTACKS)
    for attack in ATTACKS:
        assert re.fullmatch(r"[A-Za-z/0-9].*\.", attack.claim), attack.claim


def test_the_table_in_the_documents_is_of_these_attacks() -> None:
    """`docs/security.md` lists every attack with its claim, and no attack that was removed."""
    text = SECURITY.read_text(encoding="utf-8").split(report.BEGIN)[1].split(report.END)[0]
    rows = [line.split(" | ")[:2] for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    told = {(row[0].removeprefix("| "), row[1]) for row in rows if row[0] != "| attack"}
    wanted = {(report.cell(attack.name), report.cell(attack.claim)) for attack in ATTACKS}
    assert told == wanted
    assert ", 0 escaped." in text
