"""A small service around a local engine in a process of its own, to be killed or to be read from."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.engine.asking import PATIENCE_SECONDS
from tests.runtime import RUNTIME

ROOT = Path(__file__).parents[2]


def start(source: str) -> subprocess.Popen[str]:
    """Start it, and return when it has printed its first line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SANDBOX_RUNTIME": str(RUNTIME)}
    service = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(source)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert service.stdout is not None
    assert service.stderr is not None
    assert service.stdout.readline() == "running\n", service.stderr.read()
    return service


def rest(service: subprocess.Popen[str]) -> str:
    """Wait for its end with exit code 0, and return what else it printed."""
    out, err = service.communicate(timeout=PATIENCE_SECONDS * 3)
    assert service.returncode == 0, err
    return out


def kill(service: subprocess.Popen[str]) -> None:
    """Kill it, so that it cannot clean up."""
    service.kill()
    service.communicate()
