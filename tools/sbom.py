"""Write a bill of materials, CycloneDX in JSON, of all that the service and its sandboxes install: ``make sbom``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.locked import ROOT, SANDBOX, SERVICE, SUPPLY  # run as a script, it has to find `tools`

LOCKS = {"service": SERVICE, "sandbox": SANDBOX}


def bill(lock: Path) -> dict[str, Any]:
    """Return the bill of one lock file."""
    command = [
        str(SUPPLY / "cyclonedx-py"),
        "requirements",
        str(lock),
        "--of",
        "JSON",
        "--output-reproducible",
        "--no-validate",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def whole() -> dict[str, Any]:
    """Return one bill for all locks; each part says in a property where it is installed."""
    bills = {part: bill(lock) for part, lock in LOCKS.items()}
    document = bills["service"] | {"components": [], "dependencies": []}
    for part, one in bills.items():
        for component in one["components"]:
            component.pop("description", None)  # the line of the lock, whose hashes are told below
            component["bom-ref"] = f"{part}:{component['purl']}"
            component["properties"] = [{"name": "installed-in", "value": part}]
            document["components"].append(component)
            document["dependencies"].append({"ref": component["bom-ref"]})
    return document


def main() -> int:
    """Write it to the file that is named, ``sbom.json`` without one."""
    target = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "sbom.json"
    document = whole()
    target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{target}: {len(document['components'])} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
