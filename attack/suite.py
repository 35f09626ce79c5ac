"""Make the attacks one by one and judge each; after each one, check that the service is unchanged."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from attack import broken, catalogue, fields, requests
from attack.arena import Arena
from attack.catalogue import Attack, source
from attack.requests import RequestAttack
from attack.target import Json

_HELD = re.compile(r"^HELD (.*)$", re.MULTILINE)
_ESCAPED = re.compile(r"^ESCAPED (.*)$", re.MULTILINE)
_MOST_SHOWN = 90
_TOOL = "echo-back"
_ENDED_BY = {"TO": "time limit", "OL": "output limit", "EXIT": "ended by itself"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of an attack; ``escape`` is empty if it was contained."""

    group: str
    name: str
    claim: str
    held_by: str
    escape: str = ""


AnyAttack = Attack | RequestAttack


def load() -> list[AnyAttack]:
    """Return all attacks."""
    return [*catalogue.load(), *fields.load(), *broken.load()]


def run(arena: Arena, attacks: Iterable[AnyAttack]) -> Iterator[Verdict]:
    """Make the attacks, one after the other."""
    for attack in attacks:
        yield make(arena, attack)


def make(arena: Arena, attack: AnyAttack) -> Verdict:
    """Make one attack, judge what it says, and look for what it left."""
    watched = _Watched(arena) if isinstance(attack, Attack) and attack.is_bomb else None
    try:
        judge = requests.judged(arena, attack) if isinstance(attack, RequestAttack) else _judged(arena, attack)
        held_by, escape = judge
    except OSError as error:
        held_by, escape = "", f"no proper answer: {error}"
    if watched is not None:
        escape = escape or watched.end()
    return Verdict(attack.group, attack.name, attack.claim, held_by, escape or aftermath(arena))


def aftermath(arena: Arena) -> str:
    """List what an attack has changed; empty if nothing."""
    complaints = [arena.neighbour.complaint(), arena.decoys.complaint()]
    if arena.own is not None:
        complaints += arena.own.left()
        before, arena.tracebacks = arena.tracebacks, arena.own.log().count("Traceback")
        if arena.tracebacks > before:
            complaints.append("the service logged a traceback")
    return "; ".join(complaint for complaint in complaints if complaint)


def _judged(arena: Arena, attack: Attack) -> tuple[str, str]:
    """Run the program; return what contained it and, if something did not, what escaped."""
    answer = _performed(arena, attack)
    said = answer["stdout"] + answer["stderr"]
    escaped = _ESCAPED.findall(answer["stdout"])
    escaped += [f"a secret came out: {word.split('-')[1]}" for word in arena.secrets if word in said + _bytes(answer)]
    delivered = sorted(item["name"] for item in answer["files"])
    if attack.delivers is not None and delivered != sorted(attack.delivers):
        escaped.append(f"delivered were {delivered}")
    if attack.most_bytes and (size := _delivered_bytes(arena, answer)) > int(arena.fill(attack.most_bytes)):
        escaped.append(f"{size} bytes were carried out")
    escaped += _leaked_files(arena, answer)
    held = list(dict.fromkeys(_HELD.findall(answer["stdout"])))
    ended = answer.get("status") or "EXIT"
    if attack.ends:
        if ended not in attack.ends:
            escaped.append(f"it ended with {ended}: {answer['stderr'][-200:]!r}")
        held.append(_ending(answer, ended))
    elif not held and not escaped:
        escaped.append(f"it proved nothing: {answer['stderr'][-300:]!r} {answer['stdout'][-100:]!r}")
    return _short(held), _short(escaped)


def _bytes(answer: Json) -> str:
    return "".join(item["name"] for item in answer["files"])


def _performed(arena: Arena, attack: Attack) -> Json:
    """Plant what has to be there, then attack."""
    more: Json = {"timeout": attack.timeout}
    if attack.upload:
        uploaded = arena.target.upload({name: text.encode() for name, text in attack.upload.items()})
        more["session_id"] = uploaded["session_id"]
    if attack.plant:
        code = source(arena.fill(attack.plant), attack.plant_lang)
        planted = arena.target.exec(attack.plant_lang, code, **more)
        if attack.planted_in == "same":
            more["session_id"] = planted["session_id"]
        else:
            more.pop("session_id", None)
    code = source(arena.fill(attack.code), attack.lang)
    if attack.tools:
        return arena.target.exec_with_tool(attack.lang, code, _TOOL, **more)
    return arena.target.exec(attack.lang, code, args=[_sized(item) for item in attack.args], **more)


def _sized(argument: str) -> str:
    """Expand an argument that states its length: ``x*100000``."""
    match = re.fullmatch(r"(.)\*(\d+)", argument)
    return match[1] * int(match[2]) if match else argument


def _leaked_files(arena: Arena, answer: Json) -> list[str]:
    """Look into the delivered files for what is not the program's."""
    found = []
    for item in answer["files"][:20]:
        data = arena.target.download(answer["session_id"], item["id"])[: 1 << 20]
        if any(secret.encode() in data for secret in arena.secrets) or re.search(rb"^root:[^:]*:\d*:", data, re.M):
            found.append(f"{item['name']!r} holds what is not the program's")
    return found


def _delivered_bytes(arena: Arena, answer: Json) -> int:
    ids = {item["id"] for item in answer["files"]}
    listed = arena.target.call("GET", f"/files/{answer['session_id']}")
    return sum(item["size"] for item in listed.json() if item["fileId"] in ids) if listed.status == 200 else 0


def _ending(answer: Json, ended: str) -> str:
    if ended != "SG":
        return _ENDED_BY.get(ended, ended)
    message = str(answer.get("message") or "")
    return "memory limit" if "emory" in message else f"signal {answer.get('signal', '')}".strip()


def _short(words: list[str]) -> str:
    text = "; ".join(words[:6]).replace("\n", " ")
    return text if len(text) <= _MOST_SHOWN * 2 else text[: _MOST_SHOWN * 2] + "…"


class _Watched:
    """Run the neighbour's short programs during a resource bomb: it may be slowed, but not starved."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._is_over = threading.Event()
        self._took: list[float] = []
        self._failed = ""
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._is_over.wait(0.05):
            try:
                self._took.append(self._arena.neighbour.latency())
            except OSError as error:
                self._failed = f"a neighbour's run failed meanwhile: {error}"
                return

    def end(self) -> str:
        """Stop; return what was wrong. The best time counts: a starved neighbour has none."""
        self._is_over.set()
        self._thread.join()
        best = min(self._took, default=0.0)
        if not self._failed and best > 2 * self._arena.neighbour.bearable_seconds:
            return f"the neighbour was starved: its fastest run took {best:.2f} s"
        return self._failed
