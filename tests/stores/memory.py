"""Peak memory of streaming, measured in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


async def memory_taken(url: str) -> int:
    """Stream 64 MiB into this store and out again; return the peak of additional memory in bytes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.stores.streamer", url,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, failed = await process.communicate()
    assert process.returncode == 0, failed.decode()
    return int(said)
