"""A program's identity in a jail: unprivileged, without a way to another one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from tests.engine.asking import answer, bash, both, output
from tests.engine.conftest import SETTINGS

pytestmark = pytest.mark.asyncio(loop_scope="session")


STATUS = """
    import json
    print(json.dumps(dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/self/status"))))
"""


@pytest.mark.parametrize("look", both(STATUS))
async def test_a_program_is_nobody(sandbox: LocalSandbox, look: Any) -> None:
    """Uid and gid 1000 in all four places, no capability in any set, no new privileges, and a filter."""
    status = json.loads(await output(sandbox, look))
    assert status["Uid"] == status["Gid"] == "1000\t1000\t1000\t1000"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


async def test_no_program_becomes_another_user(sandbox: LocalSandbox) -> None:
    """Neither a system call nor any of the machine's setuid programs gives another identity."""
    source = """
import json, os, subprocess
found = []
for call in (os.setuid, os.setgid, os.seteuid, os.setegid):
    for number in 0, 1, 999, 1001, 65534:
        try:
            call(number)
            found.append(f"{call.__name__}({number})")
        except OSError:
            pass
try:
    os.setgroups([])
    found.append("setgroups")
except OSError:
    pass
setuid = subprocess.run(
    "find /usr/bin /usr/sbin /usr/local /usr/libexec /usr/lib/openssh -perm /6000 -type f", shell=True,
    capture_output=True, text=True,
).stdout.split()
print(json.dumps({"found": found, "setuid": setuid, "flags": os.statvfs("/usr").f_flag & os.ST_NOSUID}))
"""
    seen = await answer(sandbox, source)
    assert seen["found"] == []
    assert seen["flags"], f"set-uid programs work: {seen['setuid']}"


async def test_a_setuid_program_gives_no_rights(sandbox: LocalSandbox) -> None:
    """The machine's `su`, `mount` and the like run without their setuid rights, if they run."""
    source = """
for tool in su mount umount passwd newgrp chfn; do
    path=$(command -v $tool) || continue
    cp $path copy-$tool && chmod 6755 copy-$tool
    ./copy-$tool --version < /dev/null > /dev/null 2>&1
done
cp $(command -v bash) shell && chmod 6755 shell && ./shell -p -c 'id -u; id -g; grep CapEff /proc/self/status'
rm -f copy-* shell
"""
    assert await output(sandbox, bash(source)) == "1000\n1000\nCapEff:\t0000000000000000\n"


async def test_limits_cannot_be_raised(sandbox: LocalSandbox) -> None:
    """The resource limits of a run are hard: no core files, no locked memory, no more processes than allowed."""
    source = """
import json, resource
limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
raised = []
for name in ("RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_MEMLOCK", "RLIMIT_CPU"):
    soft, hard = limits[name]
    try:
        resource.setrlimit(getattr(resource, name), (soft, hard + 1))
        raised.append(name)
    except (OSError, ValueError):
        pass
print(json.dumps([limits, raised]))
"""
    limits, raised = await answer(sandbox, source)
    assert raised == []
    assert limits["RLIMIT_CORE"] == [0, 0]
    assert limits["RLIMIT_NPROC"] == [SETTINGS.sandbox_processes] * 2
    assert 0 < limits["RLIMIT_NOFILE"][1] <= 4096
    assert 0 <= limits["RLIMIT_MEMLOCK"][1] <= 1 << 20
    assert limits["RLIMIT_CPU"][0] < limits["RLIMIT_CPU"][1]
