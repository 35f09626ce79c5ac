"""Every attack of the suite is contained (its quick form: small limits, few rounds)."""

from __future__ import annotations

import pytest

from attack import suite
from attack.arena import Arena
from attack.suite import AnyAttack

ATTACKS = suite.load()


@pytest.mark.parametrize("attack", ATTACKS, ids=[f"{attack.group}: {attack.name}" for attack in ATTACKS])
def test_it_is_contained(arena: Arena, attack: AnyAttack) -> None:
    """Nothing gets out, nothing is left, the neighbour runs on as fast as before, and something held it."""
    verdict = suite.make(arena, attack)
    assert verdict.escape == ""
    assert verdict.held_by
