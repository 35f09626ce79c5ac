"""Read the attacks: one group a file, each with its claim, its program and what must happen instead."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from librechat_code_interpreter.engines.local.engine_config import read_policy
from librechat_code_interpreter.engines.local.syscall_numbers import NUMBERS

PROGRAMS = Path(__file__).with_name("programs")
_PRELUDES = {"py": "prelude.python", "bash": "prelude.bash"}
_COLUMN = 0 if platform.machine() == "x86_64" else 1
_ALSO_CALLED = {
    "tgkill": (234, 131), "tkill": (200, 130), "mlock": (149, 228), "mlockall": (151, 230),
}  # fmt: skip
"""Numbers of calls that attacks make and the policy does not name."""


@dataclass(frozen=True, slots=True)
class Attack:
    """What one attack does and how it must end.

    A program prints a line ``HELD what`` for each attempt that failed as it should, and ``ESCAPED what`` for one that
    did not. One that only a limit ends names the acceptable endings in ``ends``: ``TO`` time, ``OL`` output, ``SG``
    signal or memory, ``EXIT`` by itself.
    """

    group: str
    name: str
    claim: str
    code: str
    lang: str = "py"
    ends: tuple[str, ...] = ()
    timeout: int = 20_000
    """Milliseconds."""

    args: tuple[str, ...] = ()
    plant: str = ""
    """A program that runs first: it leaves what the attack then looks for."""

    plant_lang: str = "py"
    planted_in: str = "another"
    """Where ``plant`` runs: in ``another`` session, or in the ``same`` one."""

    upload: dict[str, str] = field(default_factory=dict)
    """Files that are there before, by name."""

    delivers: tuple[str, ...] | None = None
    """The names of the files that the answer must list, exactly; ``None`` when they do not matter."""

    tools: bool = False
    """Whether it is run as a program that calls tools; one is offered, ``echo-back``."""

    most_bytes: str = ""
    """How much the delivered files may take together, at most; a number once the arena has filled it in."""

    machine: str = ""
    """The one architecture that it makes sense on; empty for any."""

    is_bomb: bool = False
    """Whether it tries to take the machine: the neighbour is watched while it runs, too."""


def load() -> list[Attack]:
    """Return all program attacks in the order of the files, then a direct try of every call that the policy denies."""
    found = [attack for path in sorted(PROGRAMS.glob("*.toml")) for attack in _read(path)]
    return [*(attack for attack in found if attack.machine in ("", platform.machine())), *_denied_calls()]


def _read(path: Path) -> Iterator[Attack]:
    with path.open("rb") as stream:
        content = tomllib.load(stream)
    for entry in content["attack"]:
        yield _attack(content["group"], entry)


def _attack(group: str, entry: dict[str, Any]) -> Attack:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return Attack(group, **values)


def source(code: str, lang: str) -> str:
    """Put the helpers of the language before a program."""
    prelude = _PRELUDES.get(lang)
    if prelude is None:
        return code
    calls = {name: numbers[_COLUMN] for name, numbers in (NUMBERS | _ALSO_CALLED).items()}
    return (PROGRAMS / prelude).read_text(encoding="utf-8").replace("@CALLS@", repr(calls)) + code


def _denied_calls() -> Iterator[Attack]:
    """Try each denied system call directly, in a child, for some of them never come back when they are not denied."""
    policy = read_policy()
    blank = Attack("Denied system calls", "", "", "")
    for name, reason in (policy["syscalls"] | policy["syscalls_absent"]).items():
        number = NUMBERS[name][_COLUMN]
        if number is not None:
            code = f"denied_call({name!r}, {number})\n"
            yield replace(blank, name=name, claim=f"Denied, because it {_because(reason)}.", code=code)


def _because(reason: str) -> str:
    """Make the policy's reason the end of a sentence; those that are no verb phrase already say what is the matter."""
    first = reason.split(" ", 1)[0]
    return reason if first.endswith("s") and first not in ("its",) else f"is: {reason}"
