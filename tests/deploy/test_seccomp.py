"""The filter for containers that run the embedded engine: narrower than none, and sufficient for jails."""

from __future__ import annotations

import json
import tomllib

from tests.deploy.tools import ROOT

PROFILE = json.loads((ROOT / "deploy" / "seccomp.json").read_text())
REFUSED = {name for rule in PROFILE["syscalls"] for name in rule["names"]}
# What bubblewrap and the program behind it make a jail with, as Docker's own filter refuses it
NEEDED = {
    "clone", "clone3", "unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "sethostname", "prctl",
    "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "pidfd_open",
    "pidfd_send_signal",
}  # fmt: skip


def test_it_lets_a_jail_be_made() -> None:
    """The filter allows every call that making a jail needs."""
    assert PROFILE["defaultAction"] == "SCMP_ACT_ALLOW"
    assert {rule["action"] for rule in PROFILE["syscalls"]} == {"SCMP_ACT_ERRNO"}
    assert not REFUSED & NEEDED


def test_it_refuses_nothing_that_a_program_in_a_jail_may_do() -> None:
    """Every refused call is also refused by the jail's own filter or by the kernel, or does not exist."""
    policy = tomllib.loads((ROOT / "librechat_code_interpreter" / "engines" / "local" / "policy.toml").read_text())
    jail = set(policy["syscalls"]) | set(policy["syscalls_absent"])
    others = {"create_module", "stime", "uselib", "vm86", "vm86old", "clock_adjtime64", "clock_settime64"}
    assert REFUSED - jail <= others
