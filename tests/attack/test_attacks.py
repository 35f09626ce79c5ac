"""Every attack of the suite is contained (its quick form: small limits, few rounds)."""

from __future__ import annotations

import pytest

from attack import suite
from attack.arena import Arena
from attack.suite import AnyAttack

ATTACKS = suite.load()


@pytest.mark.parametrize("attack", ATTACKS, ids=[f"{attack.group}: {attack.name}" for attack in ATTACKS])
def test_it_is_contained(arena: Arena, attack: AnyAttack) -> None:
    """The attack is contained by a named defence, leaves nothing behind, and does not slow the neighbour."""
    verdict = suite.make(arena, attack)
    assert verdict.escape == ""
    assert verdict.held_by
