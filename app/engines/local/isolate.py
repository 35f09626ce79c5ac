"""Start the zygotes with the best isolation that this machine offers, down to the least that the operator accepts."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from pathlib import Path

from app.core.protocols import EngineUnfit
from app.engines.local.config import Isolation, LocalSettings, prepare
from app.engines.local.inside import landlock
from app.engines.local.zygote_client import ZygoteClient

log = logging.getLogger(__name__)

_LEVELS: tuple[Isolation, ...] = ("full", "degraded", "none")


async def start_isolated(settings: LocalSettings, *, has_memory_cgroup: bool) -> ZygoteClient:
    """Give running zygotes. Raises ``EngineUnfit`` with the reason why the best level is not to be had."""
    accepted = _LEVELS[: _LEVELS.index(settings.min_isolation) + 1]
    reason: EngineUnfit | None = None
    for level in accepted:
        if level == "degraded" and landlock.version() == 0:
            continue
        home = None if level == "full" else _make_home(settings.uid)
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
    """Make the directory of workspaces; it belongs to the uid that programs run as."""
    home = Path(tempfile.mkdtemp(prefix="adapter-"))
    if os.geteuid() == 0:
        os.chown(home, uid, uid)
    return home


async def remove_tree(path: Path | str) -> None:
    """Remove a directory that a program had in its hands: by ``rm``, which no depth, link or mode leads astray."""
    process = await asyncio.create_subprocess_exec("rm", "-rf", "--one-file-system", "--", str(path))
    await process.wait()
