"""Bring every fault about, count, and write the table: ``make faults``."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import report
from tests.faults.catalogue import FAULTS, KILLS
from tests.faults.count import Count
from tests.faults.kills import kill


async def bring_about(directory: Path, kills: int, most: int, only: str) -> list[Count]:
    """Kill the service this many times, bring each other fault about, print each result."""
    began = time.monotonic()
    counts: list[Count] = []
    if only in "kill":
        counts += await kill(directory / "kill", kills)
        for count in counts:
            tell(began, count)
    for name, (fault, times) in FAULTS.items():
        if only in name:
            counts.append(await fault(directory / name, min(times, most)))
            tell(began, counts[-1])
    return counts


def tell(began: float, count: Count) -> None:
    """Print how a fault went, as progress."""
    told = "; ".join(count.complaints()) or "nothing lost, nothing left"
    print(f"{time.monotonic() - began:6.0f} s  {count.fault}, {count.times} times: {told}", flush=True)


def main() -> int:
    """Run it; return 1 if anything was lost or left."""
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, help=f"kill the service so often (default: {KILLS})")
    parser.add_argument("--most", type=int, default=sys.maxsize, help="every other fault no more than so often")
    parser.add_argument("--only", default="", help="only faults whose name holds this; `kill` is the killing")
    parser.add_argument("--write", type=Path, help="the Markdown file whose table is brought up to date")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        place.chmod(0o755)  # the sandboxes' uid has to pass
        counts = asyncio.run(bring_about(place, options.kills, options.most, options.only))
    print(table := report.fault_table(counts))
    if options.write is not None:
        report.write(options.write, "faults", table)
    return int(any(count.complaints() for count in counts))


if __name__ == "__main__":
    sys.exit(main())
