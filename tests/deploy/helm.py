"""Render the chart with Helm's own code and check it with Kubernetes' schemas, in the environment that has both.

Reads cases, as in {"name": {...values...}}, from standard input; writes what came of each, and of the chart's examples,
to standard output.
Runs in .cache/deploy; the tests start it.
"""

import json
import sys
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml

CHART = Path(__file__).parents[2] / "deploy" / "chart"
VERSIONS = ("1.30", "1.33", "1.37")


def rendered(values: dict[str, Any]) -> dict[str, Any]:
    """Return the objects by kind, the schemas' complaints, and the notes; or the reason of the refusal."""
    try:
        with helm_python.Chart.load(CHART) as chart:
            files = chart.render(values, name="adapter", namespace="chat")
    except helm_python.HelmError as error:
        return {"refused": str(error)}
    notes = next(text for name, text in files.items() if name.endswith("NOTES.txt"))
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    objects = [one for text in texts for one in yaml.safe_load_all(text) if one]
    return {
        "objects": {one["kind"]: one for one in objects},
        "complaints": [complaint for one in objects for complaint in complaints(one)],
        "notes": notes,
    }


def complaints(one: dict[str, Any]) -> list[str]:
    """Check one object against the strict schemas, which know every field; those of operators are in none."""
    if one["apiVersion"].startswith("monitoring.coreos.com/"):
        return []
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{version} {one['kind']}: {error}")
    return found


if __name__ == "__main__":
    cases = json.load(sys.stdin)
    cases |= {path.stem: yaml.safe_load(path.read_text()) for path in (CHART / "examples").glob("*.yaml")}
    with helm_python.Chart.load(CHART) as loaded:
        about = {"chart": loaded.metadata, "values": loaded.values}
    about["lint"] = helm_python.lint(CHART)
    json.dump({**about, "cases": {name: rendered(values) for name, values in cases.items()}}, sys.stdout)
