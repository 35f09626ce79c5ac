"""Measure, calculate, simulate, and write docs/scaling.md: `python -m bench.scale`."""

from __future__ import annotations

import argparse
import json

from bench.scale import costs, page, report
from bench.service import ROOT

_CONVERSATIONS = 40


def main() -> None:
    """Do all of it; with ``--again`` from the costs that were measured last."""
    parser = argparse.ArgumentParser("python -m bench.scale", description=__doc__)
    parser.add_argument("--again", action="store_true", help="keep the measured costs; only simulate again")
    options = parser.parse_args()
    data = ROOT / "docs" / "scaling.json"
    measured = json.loads(data.read_text())["costs"] if options.again else costs.measure(_CONVERSATIONS)
    found = report.run(measured)
    data.write_text(json.dumps(found, indent=1) + "\n")
    (ROOT / "docs" / "scaling.md").write_text(page.text_of(found))


if __name__ == "__main__":
    main()
