"""Print the Debian packages of one kind that sandboxes want: `languages`, `tools` or `office`.

The languages' are in the table of languages, the others in `sandbox/apt-small.txt` and `sandbox/apt.txt`, which name
all that the images install.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from librechat_code_interpreter.core.languages import LANGUAGES  # noqa: E402  found by the line above


def packages(kind: str) -> set[str]:
    """Return the packages of one kind."""
    languages = {name for language in LANGUAGES for name in language.packages}
    if kind == "languages":
        return languages
    others = listed("apt-small.txt") | listed("apt.txt") - languages
    office = {name for name in others if name.startswith("libreoffice")}
    return office if kind == "office" else others - office


def listed(name: str) -> set[str]:
    """Return the packages of one list."""
    lines = (ROOT / "sandbox" / name).read_text(encoding="utf-8").splitlines()
    return {package for line in lines if (package := line.partition("#")[0].strip())}


if __name__ == "__main__":
    print(*sorted(packages(sys.argv[1])))
