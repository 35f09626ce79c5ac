"""Write ``docs/licences.md`` from the metadata of installed packages; report licences that are not accepted.

Usage:
    python tools/licences.py --write    write it
    python tools/licences.py --check    exit 1 when a line is missing or another, or a licence is not accepted
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.locked import ROOT, SANDBOX, SERVICE, SUPPLY, locked, plain  # run as a script, it has to find `tools`

PAGE = ROOT / "docs" / "licences.md"
PARTS = (
    ("The service", SERVICE, ROOT / ".venv" / "bin" / "python"),
    ("The sandbox runtime, for programs", SANDBOX, ROOT / ".sandbox" / "bin" / "python"),
)
ACCEPTED = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0",
    "Unlicense", "Zlib",
    "OFL-1.1",  # fonts
    # used as they are, in files or a program of their own, which is all that these ask for
    "MPL-2.0", "LGPL", "LGPL-2.1-only", "LGPL-3.0-only", "LGPL-3.0-or-later",
}  # fmt: skip
_NAMES = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_SAID_ELSEWHERE = {
    "daytona-analytics-api-client": "Apache-2.0",
    "daytona-analytics-api-client-async": "Apache-2.0",
    "exifread": "BSD-3-Clause",
    "pypdfium2": "BSD-3-Clause AND Apache-2.0",
    "qrcode": "BSD",
}
"""Packages whose metadata name no licence, or not in its usual words, but have its text in a file."""

_LINE = re.compile(r"^\| `(.+)` \| (.+) \|$", re.MULTILINE)
_HEAD = """# Licences of what is installed

Written by `python tools/licences.py --write` from what the packages say of themselves. A test fails for a licence that
is not on the list of accepted ones in that file. `make sbom` writes the same packages with releases and hashes.
"""


def licences(lock: Path, python: Path) -> dict[str, str]:
    """Return the licence of each locked package that is installed; some are for other systems, or older Pythons."""
    command = [str(SUPPLY / "pip-licenses"), "--python", str(python), "--format", "json", "--from", "mixed"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = {plain(item["Name"]): item["License"] for item in json.loads(done.stdout)}
    names = {name for name, _ in locked(lock)} & said.keys()
    return {name: _plain_words(_SAID_ELSEWHERE.get(name) or said[name]) for name in names}


def written(title: str) -> dict[str, str]:
    """Read the lines of one part of the page."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    _, _, after = text.partition(f"\n## {title}\n")
    return dict(_LINE.findall(after.partition("\n## ")[0]))


def _plain_words(licence: str) -> str:
    for words, name in sorted(_NAMES.items(), key=lambda pair: -len(pair[0])):
        licence = licence.replace(words, name)
    return licence.replace("; ", " AND ")


def refused(licence: str) -> list[str]:
    """Name the parts of a licence that are not accepted; of alternatives one accepted part is enough."""
    found = []
    for part in re.split(r"\s+AND\s+(?![^(]*\))", licence):
        choices = [choice.strip("() ") for choice in re.split(r"\s+OR\s+", part)]
        if not any(choice in ACCEPTED for choice in choices):
            found.append(part)
    return found


def page(parts: dict[str, dict[str, str]]) -> str:
    """Write the page."""
    text = _HEAD
    for title, lines in parts.items():
        text += f"\n## {title}\n\n| package | licence |\n| --- | --- |\n"
        text += "".join(f"| `{name}` | {licence} |\n" for name, licence in sorted(lines.items()))
    return text


def complaints(here: dict[str, str], lines: dict[str, str]) -> list[str]:
    """Return what is wrong with one part: a line that is missing or another, a licence that is not accepted."""
    stale = [
        f"{name}: {licence}: run tools/licences.py --write"
        for name, licence in here.items()
        if lines.get(name) != licence
    ]
    all_of_it = {**lines, **here}
    return stale + [f"{name}: {part!r} is not accepted" for name in all_of_it for part in refused(all_of_it[name])]


def main() -> int:
    """Run the command line."""
    here = {title: licences(lock, python) for title, lock, python in PARTS}
    if "--write" in sys.argv[1:]:
        locks = {title: {name for name, _ in locked(lock)} for title, lock, _ in PARTS}
        kept = {
            title: {name: licence for name, licence in written(title).items() if name in locks[title]} | lines
            for title, lines in here.items()
        }
        PAGE.write_text(page(kept), encoding="utf-8")
    told = [complaint for title, lines in here.items() for complaint in complaints(lines, written(title))]
    print("\n".join(told))
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
