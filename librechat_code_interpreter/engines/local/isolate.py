"""Start of the zygotes with this machine's best isolation, down to the weakest that the operator accepts."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from pathlib import Path

from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.engines.local.config import Isolation, LocalSettings
from librechat_code_interpreter.engines.local.engine_config import prepare
from librechat_code_interpreter.engines.local.inside import landlock
from librechat_code_interpreter.engines.local.zygote_client import ZygoteClient

log = logging.getLogger(__name__)

_LEVELS: tuple[Isolation, ...] = ("full", "degraded", "none")


async def start_isolated(settings: LocalSettings, *, has_memory_cgroup: bool) -> ZygoteClient:
    """Start the zygotes and return them. Raises ``EngineUnfit`` with the reason why the best level is unavailable."""
    accepted = _LEVELS[: _LEVELS.index(settings.sandbox_min_isolation) + 1]
    reason: EngineUnfit | None = None
    for level in accepted:
        if level == "degraded" and landlock.version() == 0:
            continue
        home = None if level == "full" else _make_home(settings.sandbox_uid)
        try:
            zygotes = ZygoteClient(prepare(settings, level, home, has_memory_cgroup=has_memory_cgroup))
            await zygotes.start()
            return zygotes
        except EngineUnfit as error:
            log.warning("isolation %s: %s", level, error)
            reason = reason or error
            if home is not None:
                await remove_tree(home)
    raise reason or EngineUnfit("This kernel has no Landlock, so not even degraded isolation is to be had.")


def _make_home(uid: int) -> Path:
    """Create the directory of workspaces, owned by the uid that programs run as."""
    home = Path(tempfile.mkdtemp(prefix="adapter-"))
    if os.geteuid() == 0:
        os.chown(home, uid, uid)
    return home


async def remove_tree(path: Path | str) -> None:
    """Remove a directory that a program could write to, with ``rm``: no depth, link or mode misleads it."""
    process = await asyncio.create_subprocess_exec("rm", "-rf", "--one-file-system", "--", str(path))
    await process.wait()
