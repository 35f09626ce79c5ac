"""How much memory streaming takes, measured in a process that does nothing else."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def memory_taken(url: str) -> int:
    """Stream 64 MiB into this store and out again; give the bytes of memory that took at most."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.stores.streamer", url,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, failed = await process.communicate()
    assert process.returncode == 0, failed.decode()
    return int(said)
