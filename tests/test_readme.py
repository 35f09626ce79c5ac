"""The README's commands for a first start work as printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.service import ROOT, LiveService

README = (ROOT / "README.md").read_text()
NEWCOMERS_ADDRESS = "localhost:8000"


def block(heading: str) -> str:
    """Return the first block of commands below a heading."""
    found = re.search(rf"^## {re.escape(heading)}\n.*?```bash\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def said(script: str, cwd: Path) -> str:
    """Run a script in bash, which must succeed, in an environment without a key, and return its output."""
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=cwd, env=bare, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{script}\n{done.stderr}"
    return done.stdout


def test_the_curl_commands_work_in_their_order(live_service: LiveService, tmp_path: Path) -> None:
    """Each command under "Try it with curl" answers, with nothing but the results of the lines before it."""
    (tmp_path / ".env").write_text(f"HOST=127.0.0.1\nADAPTER_API_KEY={live_service.api_key}\n")
    key, execute, upload, listing, download, delete, health = (
        block("Try it with curl").replace(NEWCOMERS_ADDRESS, live_service.host).strip().split("\n\n")
    )
    assert json.loads(said(f"{key}\n{execute}", tmp_path))["stdout"] == "4\n"
    made = json.loads(said(f"{key}\n{upload}", tmp_path))
    ids = {"<session_id>": made["session_id"], "<fileId>": made["files"][0]["fileId"]}

    def with_ids(command: str) -> str:
        for name, value in ids.items():
            command = command.replace(name, value)
        return said(f"{key}\n{command}", tmp_path)

    assert [file["id"] for file in json.loads(with_ids(listing))] == [ids["<fileId>"]]
    with_ids(download)
    assert (tmp_path / "downloaded.bin").read_bytes() == (tmp_path / "example.csv").read_bytes()
    assert json.loads(with_ids(delete))["fileId"] == ids["<fileId>"]
    assert json.loads(with_ids(listing)) == []
    assert json.loads(said(health, tmp_path))["status"] == "healthy"


def test_no_command_needs_a_python_that_debian_lacks() -> None:
    """Outside an environment only `python3` exists: Debian has no `python`."""
    setup, activated, _ = block("Without make").partition(". .venv/bin/activate\n")
    assert activated
    program = setup.split()[0]
    assert program == "python3"
    assert shutil.which(program)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (["sudo"], "sudo apt-get install -y --no-install-recommends some-package"),
        ([], "su - -c 'apt-get install -y --no-install-recommends some-package'"),
    ],
)
def test_the_line_for_a_missing_package_needs_no_sudo(found: Sequence[str], line: str, tmp_path: Path) -> None:
    """Without permission to install a package, the line to run is printed; on a Debian without sudo one for root."""
    for name, does in {"id": "echo 1000", "apt-get": "exit 9", "sudo": "exit 1"}.items():
        if name in ("id", "apt-get", *found):
            (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
            (tmp_path / name).chmod(0o755)
    command = ["/bin/bash", str(ROOT / "tools" / "apt_install.sh"), "some-package"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1].strip()) == (1, line)
