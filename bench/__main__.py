"""Measure: `python -m bench [--quick]`; write the document from a run: `python -m bench --document full`."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from typing import Any

from bench import document
from bench.plan import FULL, QUICK, SHORT
from bench.run import again, run
from bench.service import ROOT, RUNTIME
from bench.table import errors_of, noise_of, targets_of, text_of

RESULTS = ROOT / ".cache" / "bench-results"


def main() -> int:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the targets alone, in under a minute")
    parser.add_argument("--short", action="store_true", help="the whole table with fewer calls, in some five minutes")
    parser.add_argument("--again", metavar="PART", help="measure one part of the last full run again, such as growth")
    parser.add_argument("--document", metavar="RUN", help="write docs/performance.md from the last run of this name")
    options = parser.parse_args()
    if options.document:
        _document(options.document)
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with us
    if options.again:
        found = again(json.loads((RESULTS / "full.json").read_text()), FULL, options.again)
    else:
        found = run(QUICK if options.quick else SHORT if options.short else FULL)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{found['plan']}.json").write_text(json.dumps(found, indent=1))
    if options.quick:
        print("\n".join([*targets_of(found), *errors_of(found), "", noise_of(found)]))
    else:
        _keep(found)
    return 0


def _keep(found: dict[str, Any]) -> None:
    name, text = found["plan"], text_of(found)
    (RESULTS / f"{name}.txt").write_text(text + "\n")
    _draw(name)
    print(text)
    print(f"\nText, JSON and chart: {RESULTS}/{name}.*; `make bench-docs` writes the page of the full run.")


def _draw(name: str) -> None:
    """Draw with the sandbox runtime's matplotlib; the service has none."""
    python = str(RUNTIME / "bin" / "python3")
    command = [python, "-m", "bench.chart", str(RESULTS / f"{name}.json"), str(RESULTS / f"{name}.svg")]
    subprocess.run(command, cwd=ROOT, check=True)


def _document(name: str) -> None:
    found = (RESULTS / f"{name}.json").read_text()
    docs = ROOT / "docs"
    _draw(name)
    (docs / "performance.json").write_text(found + "\n")
    (docs / "performance.svg").write_bytes((RESULTS / f"{name}.svg").read_bytes())
    (docs / "performance.md").write_text(document.text_of(json.loads(found)))


if __name__ == "__main__":
    sys.exit(main())
