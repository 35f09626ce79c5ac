"""Advice of the service where bubblewrap fails: the option to add."""

from __future__ import annotations

import pytest

from librechat_code_interpreter.engines.local.zygote_client import explain


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("bwrap: Creating new namespace failed: Function not implemented", "seccomp=unconfined"),
        ("bwrap: setting up uid map: Permission denied", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("bwrap: Can't set hostname to sandbox: Operation not permitted", "seccomp=unconfined"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths=unconfined"),
    ],
    ids=["Docker's filter", "AppArmor", "Podman's filter", "covered paths"],
)
def test_what_a_container_refuses_is_told_with_its_cure(said: str, cure: str) -> None:
    """Each known error of bubblewrap, as containers and machines provoked it, leads to the option that helps."""
    told = explain(said)
    assert said in told
    assert cure in told


def test_an_unknown_complaint_leads_to_the_doctor() -> None:
    """An unknown error is quoted, with a link to the documentation."""
    assert explain("bwrap: oh.").endswith("bwrap: oh. Run `python -m app doctor` for the details.")
