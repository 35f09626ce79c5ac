"""Attack the HTTP side: tricks in every field of every endpoint, broken bodies, forged credentials.

Every answer has to have a status that the attack allows, in JSON, without a stack trace or a secret; 500 never.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attack.arena import Arena
from attack.target import Answer

Sent = Iterator[tuple[str, Answer]]
JSON = {"Content-Type": "application/json"}
REFUSED = frozenset({400, 401, 404, 405, 409, 413, 414, 416, 422, 431})
MAY_WORK = REFUSED | {200, 206}
_GIVEAWAYS = (b"Traceback", b"root:x:", b'"detail"', b"/site-packages/", b"BEGIN PRIVATE")
_LONG = 5000


@dataclass(frozen=True, slots=True)
class RequestAttack:
    """Send requests; ``send`` yields each answer with a description of what was tried."""

    name: str
    claim: str
    send: Callable[[Arena], Iterable[tuple[str, Answer]]]
    allowed: frozenset[int] = REFUSED
    group: str = "Requests"


def tricks() -> dict[str, Any]:
    """Read what there is to try."""
    with Path(__file__).with_name("tricks.toml").open("rb") as stream:
        return tomllib.load(stream)


def filled(arena: Arena, words: Iterable[str]) -> list[str]:
    """Put the words of this service into tricks."""
    more = {
        "@UPPER@": arena.neighbour.session_id.swapcase(),
        "@LONG@": "x" * _LONG,
        "@HUGE@": "x" * 40 * _LONG,
        "@DEEP@": "/".join(["d"] * 300),
    }
    found = []
    for word in words:
        text = arena.fill(word)
        for name, value in more.items():
            text = text.replace(name, value)
        found.append(text)
    return found


def judged(arena: Arena, attack: RequestAttack) -> tuple[str, str]:
    """Send everything; return the answers, and what was wrong."""
    seen: dict[int, int] = {}
    wrong: list[str] = []
    for tried, answer in attack.send(arena):
        seen[answer.status] = seen.get(answer.status, 0) + 1
        problem = _problem(arena, answer, attack.allowed)
        if problem:
            wrong.append(f"{tried[:60]!r}: {problem}")
    if not arena.neighbour.has_its_file():
        wrong.append("the neighbour's file is gone")
    shown = ", ".join(f"{count} × {status}" for status, count in sorted(seen.items()))
    return shown, "; ".join(wrong[:5])


def _problem(arena: Arena, answer: Answer, allowed: frozenset[int]) -> str:
    if answer.status not in allowed:
        return f"status {answer.status}: {answer.body[:120]!r}"
    if "x-injected" in answer.headers:
        return "a header was injected"
    words = [secret.encode() for secret in arena.secrets]
    if answer.status != 200 or b'"stdout"' not in answer.body:  # a program may print what it likes
        words += _GIVEAWAYS
    if any(word in answer.body for word in words):
        return f"the answer tells too much: {answer.body[:120]!r}"
    if answer.status >= 400 and answer.body:
        try:
            is_told = "error" in answer.json()
        except ValueError:
            is_told = False
        if not is_told:
            return f"no error in JSON: {answer.body[:120]!r}"
    return ""
