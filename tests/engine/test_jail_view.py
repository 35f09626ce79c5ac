"""What a program sees in a jail: its own processes, its workspace, and a small system."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from librechat_code_interpreter.engines.local import bubblewrap
from librechat_code_interpreter.engines.local.sandbox import LocalSandbox
from tests.engine.asking import answer, bash, both, output
from tests.engine.conftest import CANARY
from tests.runtime import RUNTIME, RUNTIME_PYTHON

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("look", both("import os; print([int(n) for n in os.listdir('/proc') if n.isdigit()])"))
async def test_a_program_sees_its_own_processes_only(sandbox: LocalSandbox, look: Any) -> None:
    """The runner, the program, and what the program started."""
    pids = json.loads(await output(sandbox, look))
    assert pids[0] == 1
    assert 2 <= len(pids) <= 3


async def test_the_runner_is_closed_to_the_program(sandbox: LocalSandbox) -> None:
    """Memory, descriptors, environment and directories of the first process are unreadable."""
    source = """
import json, os
found = []
for name in ("mem", "maps", "environ", "auxv", "stack", "syscall", "io", "pagemap", "clear_refs"):
    try:
        with open(f"/proc/1/{name}", "rb") as file:
            if file.read(1):
                found.append(name)
    except OSError:
        pass
for name in ("fd", "fdinfo", "map_files", "task/1/fd"):
    try:
        os.listdir(f"/proc/1/{name}")
        found.append(name)
    except OSError:
        pass
for name in ("root", "cwd", "exe", "ns/mnt", "ns/user", "ns/net", "fd/0"):
    try:
        os.stat(f"/proc/1/{name}")
        found.append(name)
    except OSError:
        pass
print(json.dumps(found))
"""
    assert await answer(sandbox, source) == []


async def test_nothing_of_the_services_environment_is_inside(sandbox: LocalSandbox) -> None:
    """A variable of the service is neither in the program's environment nor in that of any process it can see."""
    assert os.environ[CANARY] == CANARY
    source = f"""
import glob, json, os
found = [name for name in os.environ if {CANARY!r} in name]
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        if {CANARY!r}.encode() in open(path, "rb").read():
            found.append(path)
    except OSError:
        pass
print(json.dumps(found))
"""
    assert await answer(sandbox, source) == []


async def test_a_program_has_the_variables_of_a_sandbox_and_no_others(sandbox: LocalSandbox) -> None:
    """The environment is built from an empty one: the same few variables whatever the service's are."""
    warm = await answer(sandbox, "import json, os; print(json.dumps(dict(os.environ)))")
    shell = dict(line.split("=", 1) for line in (await output(sandbox, bash("env"))).splitlines())
    assert set(shell) - set(warm) <= {"_", "SHLVL", "OLDPWD"}
    assert all("ADAPTER" not in name and "KEY" not in name for name in warm)
    assert (warm["HOME"], warm["PWD"], warm["USER"]) == ("/mnt/data", "/mnt/data", "sandbox")


async def test_command_lines_show_no_host_path(sandbox: LocalSandbox) -> None:
    """The first process's command line names only paths inside the jail."""
    line = await output(sandbox, bash("tr '\\0' ' ' < /proc/1/cmdline"))
    assert "python3 -m librechat_code_interpreter.engines" in line
    for path in (ROOT, RUNTIME.resolve(), Path.home(), "--ro-bind", "--setenv"):
        assert str(path) not in line


def private_paths() -> list[str]:
    """List what lies in the homes of this machine, but for the way to the runtime's interpreter if it leads there."""
    base = RUNTIME_PYTHON.resolve().parent.parent
    homes = {Path.home(), Path("/root"), *Path("/home").glob("*")}
    readable = [home for home in homes if os.access(home, os.R_OK | os.X_OK) and home.is_dir()]
    return [str(path) for home in readable for path in home.iterdir() if not base.is_relative_to(path)]


async def test_nobody_is_at_home(sandbox: LocalSandbox) -> None:
    """Nothing of the machine's home directories is visible."""
    look = f"import json, os\nprint(json.dumps([path for path in {private_paths()!r} if os.path.lexists(path)]))"
    assert await answer(sandbox, look) == []


def service_paths() -> list[str]:
    """List what lies beside the service's code."""
    return [str(path) for path in ROOT.iterdir() if not RUNTIME.absolute().is_relative_to(path)]


async def test_the_services_tree_is_not_there(sandbox: LocalSandbox) -> None:
    """Of the service's code a program finds the runner and the jail's part; no settings, no store, no key."""
    source = f"""
import json, os
root = {bubblewrap.CODE!r}
code = [os.path.relpath(os.path.join(d, f), root) for d, _, fs in os.walk(root) for f in fs]
there = [path for path in {service_paths()!r} if os.path.lexists(path)]
print(json.dumps([there, [name for name in code if name.endswith(".py")]]))
"""
    there, code = await answer(sandbox, source)
    assert there == []
    assert code
    assert all(
        name.startswith(("librechat_code_interpreter/runner/", "librechat_code_interpreter/engines/local/inside/"))
        for name in code
    )


async def test_the_system_is_small(sandbox: LocalSandbox) -> None:
    """Directories at the top and in /etc are a short list; no accounts, no /sys, no /run, no /var."""
    source = "import json, os; print(json.dumps([os.listdir('/'), os.listdir('/etc'), open('/etc/passwd').read()]))"
    top, etc, passwd = await answer(sandbox, source)
    base = RUNTIME_PYTHON.resolve().parts[1]
    known = {"bin", "sbin", "lib", "lib32", "lib64", "usr", "etc", "opt", "proc", "dev", "tmp", "mnt", "workspace"}
    assert set(top) - {base} <= known
    assert not {"shadow", "gshadow", "ssh", "sudoers", "machine-id", "hostname", "resolv.conf"} & set(etc)
    assert [line.split(":")[0] for line in passwd.splitlines()] == ["root", "sandbox"]


async def test_devices_are_harmless(sandbox: LocalSandbox) -> None:
    """The usual six devices, no disk, no terminal, no kernel log; no new ones can be made."""
    source = """
import json, os, stat
found = []
for directory, _, names in os.walk("/dev"):
    for name in names:
        path = os.path.join(directory, name)
        if stat.S_ISBLK(os.lstat(path).st_mode) or stat.S_ISCHR(os.lstat(path).st_mode):
            found.append(path)
made = []
for directory in ("/tmp", "/dev/shm", "/mnt/data", "/dev"):
    for kind, number in ((stat.S_IFCHR, (1, 1)), (stat.S_IFBLK, (254, 0)), (stat.S_IFBLK, (8, 0))):
        try:
            os.mknod(f"{directory}/device", 0o666 | kind, os.makedev(*number))
            made.append(directory)
        except OSError:
            pass
try:
    os.open("/dev/tty", os.O_RDWR)
    made.append("a terminal")
except OSError:
    pass
print(json.dumps([sorted(found), made]))
"""
    found, made = await answer(sandbox, source)
    assert found == [f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero")]
    assert made == []


async def test_a_sandbox_has_a_name_of_its_own(sandbox: LocalSandbox) -> None:
    """The host's name is hidden."""
    assert await output(sandbox, bash("uname -n; cat /proc/sys/kernel/hostname")) == "sandbox\nsandbox\n"


async def test_control_groups_are_out_of_sight(sandbox: LocalSandbox) -> None:
    """A program sees itself at the root of every hierarchy, whenever its jail was made, and no file of limits."""
    for _ in range(10):
        groups = await output(sandbox, bash("cat /proc/self/cgroup; test ! -e /sys"))
        assert {line.split(":", 2)[2] for line in groups.splitlines()} == {"/"}
