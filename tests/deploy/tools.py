"""The real deployment tools: Compose, hadolint, Caddy, SeaweedFS, Helm."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from librechat_code_interpreter.settings import Settings

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".cache" / "deploy" / "bin"
SETTINGS = {name.upper() for name in Settings.model_fields}
# What the clients of buckets read, by the table in docs/operations.md
BUCKET_VARIABLES = set(
    re.findall(r"`((?:AWS|AZURE|GOOGLE)_[A-Z_]+)[`=]", (ROOT / "docs" / "operations.md").read_text())
)
KNOWN = SETTINGS | BUCKET_VARIABLES


def tool(name: str, *arguments: str | Path, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end, in an environment without settings of the machine's."""
    assert (BIN / name).exists(), f"{name} is not installed; `make test` does that, or tools/test_tools.sh alone"
    return subprocess.run(
        [BIN / name, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def composed(project: Path, *arguments: str | Path, **env: str) -> dict[str, Any]:
    """Return Compose's resolved configuration, defaults filled in."""
    done = tool("docker-compose", *arguments, "config", "--format", "json", cwd=project, **env)
    assert done.returncode == 0, done.stderr
    model: dict[str, Any] = json.loads(done.stdout)
    return model
