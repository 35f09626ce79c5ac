"""Settings of the local engine. The service's settings inherit them, so this module imports no part of the engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, model_validator

from librechat_code_interpreter.setting_fields import Bytes, Word, section
from librechat_code_interpreter.units import GiB, MiB

Isolation = Literal["full", "degraded", "none"]

_PROJECT = Path(__file__).resolve().parents[3]

_local = section("Local engine")


class LocalSettings(BaseModel):
    """Settings of the local engine and the rules between them."""

    model_config = ConfigDict(frozen=True, validate_default=True)

    sandbox_runtime: Path = _local(".sandbox", "Directory of the sandbox runtime that `make install` builds.")
    sandbox_memory_bytes: Bytes = _local(
        GiB, "Memory limit of a run, all its processes together.", "bytes", ge=64 * MiB
    )
    sandbox_processes: int = _local(128, "Maximum of processes and threads of a run.", "processes", ge=8)
    sandbox_workspace_bytes: Bytes = _local(512 * MiB, "Size of a sandbox's workspace.", "bytes", ge=MiB)
    sandbox_workspace_files: int = _local(20000, "Files and directories in a workspace.", "files", ge=64)
    sandbox_tmp_bytes: Bytes = _local(256 * MiB, "Size of a run's `/tmp`.", "bytes", ge=MiB)
    sandbox_shm_bytes: Bytes = _local(64 * MiB, "Size of a run's `/dev/shm`.", "bytes", ge=MiB)
    sandbox_uid: int = _local(64999, "User id of the local engine when the service runs as root.", ge=1, le=2**32 - 2)
    sandbox_preload: str = _local(
        "numpy,pandas,matplotlib.pyplot",
        "Python modules, separated by commas, that are loaded before the first run; `none` loads nothing.",
        pattern=r"^\s*[A-Za-z_][\w.]*(\s*,\s*[A-Za-z_][\w.]*)*\s*$",
    )
    sandbox_egress_hosts: str | None = _local(
        None,
        "Hosts that programs may reach by HTTPS, through a proxy in the service: `name` or `name:port`, separated by"
        " commas; for pip `pypi.org,files.pythonhosted.org`. Programs can send data there. Unset, programs have no"
        " network.",
        pattern=r"^\s*[A-Za-z0-9._-]+(:\d{1,5})?(\s*,\s*[A-Za-z0-9._-]+(:\d{1,5})?)*\s*$",
    )
    pip_index_url: str = _local(
        "https://pypi.org/simple",
        "Package index of pip in programs, with `SANDBOX_EGRESS_HOSTS`, which has to name its host; programs see it.",
        repr=False,
    )
    sandbox_standby: int = _local(2, "Size of the warm pool: prepared jails of each kind.", "jails", ge=0)
    sandbox_min_isolation: Annotated[Isolation, Word] = _local(
        "full", "Weakest isolation that is accepted; below it the service does not start."
    )
    sandbox_allow_running_strangers_code_without_isolation: bool = _local(
        False, "Must be `true`, and `HOST` a loopback address, for `SANDBOX_MIN_ISOLATION=none`."
    )

    @property
    def egress_hosts(self) -> tuple[str, ...]:
        """Hosts of ``SANDBOX_EGRESS_HOSTS``."""
        return tuple(re.findall(r"[^\s,]+", self.sandbox_egress_hosts or ""))

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules of ``SANDBOX_PRELOAD``."""
        return () if self.sandbox_preload == "none" else tuple(re.findall(r"[\w.]+", self.sandbox_preload))

    @property
    def runtime(self) -> Path | None:
        """The sandbox runtime; a relative path is looked up in the working directory, then beside the service.

        ``None`` if the default directory does not exist, because ``make install`` was not run. An explicit path must
        exist.
        """
        runtime = self.sandbox_runtime
        if not runtime.is_absolute() and not runtime.exists():
            runtime = _PROJECT / runtime
        was_named = "sandbox_runtime" in self.model_fields_set
        return runtime if was_named or runtime.exists() else None

    @model_validator(mode="after")
    def _check_local_rules(self) -> Self:
        if self.egress_hosts and not _is_index_within(self.pip_index_url, self.egress_hosts):
            raise ValueError("PIP_INDEX_URL: has to be an https:// address whose host SANDBOX_EGRESS_HOSTS names")
        opted_in = self.sandbox_allow_running_strangers_code_without_isolation
        if self.sandbox_min_isolation == "none" and not opted_in:
            raise ValueError(
                "SANDBOX_MIN_ISOLATION: none lets every program read and change what this user can; it needs"
                " SANDBOX_ALLOW_RUNNING_STRANGERS_CODE_WITHOUT_ISOLATION=true as well"
            )
        return self


def _is_index_within(url: str, hosts: tuple[str, ...]) -> bool:
    """Return whether programs can reach a package index."""
    parts = urlsplit(url)
    name = (parts.hostname or "").lower()
    at_port = {f"{name}:{parts.port or 443}"} | ({name} if parts.port in (None, 443) else set())
    return parts.scheme == "https" and any(host.lower() in at_port for host in hosts)
