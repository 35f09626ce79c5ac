"""Look up known vulnerabilities of all locked packages: ``make audit``.

Exit codes: 0 nothing known of any package, 1 a hole, 3 nobody could tell. pip-audit itself ends with 0 when an index
knows no package; here that is an error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.locked import ROOT, SANDBOX, SERVICE, SUPPLY, locked  # run as a script, it has to find `tools`

LOCKS = (SERVICE, ROOT / "requirements-dev.txt", SANDBOX)
NOBODY_KNOWS = 3


def answers(lock: Path) -> list[dict[str, Any]] | None:
    """Return pip-audit's answer for each package of a lock; ``None`` when no advisory service can be reached."""
    arguments = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json", "-r", str(lock))
    done = subprocess.run([SUPPLY / "pip-audit", *arguments], capture_output=True, text=True, check=False)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    return found


def verdict(lock: Path, found: list[dict[str, Any]] | None) -> tuple[int, list[str]]:
    """Return the exit code for one lock, and the lines to print."""
    wanted = locked(lock)
    name = lock.relative_to(ROOT) if lock.is_relative_to(ROOT) else lock
    known = [item for item in found or [] if "vulns" in item]
    holes = [
        f"{item['name']} {item['version']}: {hole['id']} {' '.join(hole.get('fix_versions', [])) or '(no fix)'}"
        for item in known
        for hole in item["vulns"]
    ]
    told = [f"{name}: {len(known)} of {len(wanted)} packages looked up, {len(holes)} known holes", *holes]
    if holes:
        return 1, told
    if not known:
        told.append(
            f"{name}: NOT AUDITED: no advisory service knows these packages here. Try where pypi.org is reachable."
        )
    elif len(known) < len(wanted):
        told.append(f"{name}: NOT ALL AUDITED")
    return (0 if len(known) >= len(wanted) else NOBODY_KNOWS), told


def main() -> int:
    """Audit every lock; return the worst exit code."""
    codes = []
    for lock in LOCKS:
        code, told = verdict(lock, answers(lock))
        codes.append(code)
        print("\n".join(told), flush=True)
    return 1 if 1 in codes else max(codes)


if __name__ == "__main__":
    sys.exit(main())
