"""One host for all tests of the runner, and a bench for each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.host import Bench, Host, running_host


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """Run the interpreter that runs the tests, with nothing but the runner in memory."""
    with running_host(Path(sys.executable)) as host:
        yield host


@pytest.fixture
def bench(host: Host, tmp_path: Path) -> Bench:
    """Lay out an empty workspace."""
    return make_bench(host, tmp_path)


def make_bench(host: Host, directory: Path, **env: str) -> Bench:
    """Lay out an empty workspace whose programs find the host's interpreter as ``python3``."""
    workspace, scratch = directory / "workspace", directory / "scratch"
    workspace.mkdir()
    scratch.mkdir()
    path = f"{host.python.parent}:{os.defpath}"
    return Bench(host, workspace, scratch, {"PATH": path, "HOME": str(workspace), "LC_ALL": "C.UTF-8", **env})
