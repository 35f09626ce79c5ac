"""Checks of the machine for the doctor: what the local engine needs, whether it is there, and the fix if not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.engines.local.cgroups import open_cgroups
from librechat_code_interpreter.engines.local.engine_config import find_bwrap
from librechat_code_interpreter.engines.local.zygote_client import explain

Line = tuple[str, str, str]
_APPARMOR = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
_MAX_NAMESPACES = Path("/proc/sys/user/max_user_namespaces")
_SECCOMP = Path("/proc/sys/kernel/seccomp/actions_avail")
_NEEDED_BYTES = 2 * 1024**3


def examine(runtime: Path | None) -> Iterator[Line]:
    """Yield findings as (mark, what, text)."""
    yield _user_namespaces()
    yield _bubblewrap()
    yield _seccomp()
    yield _control_groups()
    yield _runtime(runtime)
    yield _memory()


def _user_namespaces() -> Line:
    if _APPARMOR.exists() and _APPARMOR.read_text().strip() == "1":
        cure = f"`sysctl -w kernel.{_APPARMOR.name}=0`, or an AppArmor profile for bwrap with `userns,`"
        return "warn", "user namespaces", f"AppArmor restricts them. Cure: {cure}"
    if _MAX_NAMESPACES.exists() and _MAX_NAMESPACES.read_text().strip() == "0":
        return "fail", "user namespaces", "turned off. Cure: `sysctl -w user.max_user_namespaces=15000`"
    return "ok", "user namespaces", "allowed"


def _bubblewrap() -> Line:
    """Check that bubblewrap can make an empty jail; root does this as uid 65534, never as the real root."""
    try:
        bwrap = find_bwrap()
    except EngineUnfit as error:
        return "fail", "bubblewrap", str(error)
    command = [str(bwrap), "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, **nobody)  # type: ignore[call-overload]
    except PermissionError:
        return "ok", "bubblewrap", f"{bwrap} (below a directory that is root's alone; the engine mounts it for its uid)"
    if done.returncode != 0:
        return "fail", "bubblewrap", explain(done.stderr.strip())
    return "ok", "bubblewrap", str(bwrap)


def _seccomp() -> Line:
    if _SECCOMP.exists() and "errno" in _SECCOMP.read_text():
        return "ok", "seccomp", "available"
    return "fail", "seccomp", "this kernel has no seccomp filters; the local engine cannot run here"


def _control_groups() -> Line:
    groups = open_cgroups()
    if groups is None:
        return (
            "warn",
            "control groups",
            "not writable: the runner watches memory every 100 ms instead. Run as root, or with Delegate=yes",
        )
    groups.close()
    return "ok", "control groups", f"version {groups.version}: the kernel bounds memory and processes"


def _runtime(runtime: Path | None) -> Line:
    if runtime is None:
        return "warn", "sandbox runtime", "none: Python without packages, no JavaScript. Cure: `make install`"
    if (runtime / "bin" / "python3").exists():
        return "ok", "sandbox runtime", str(runtime)
    return "fail", "sandbox runtime", f"not at {runtime}. Cure: `make install`, or set SANDBOX_RUNTIME"


def _memory() -> Line:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    text = f"{free // 1024**2} MiB free"
    if free < _NEEDED_BYTES:
        return "warn", "memory", f"{text}; a run may take SANDBOX_MEMORY_BYTES, and several run at once"
    return "ok", "memory", text
