"""Requests that schemathesis makes up from the API's description: none is a failure of the service (K42)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import ROOT, running_service

PAGE = ROOT / "docs" / "openapi.json"
PROGRAM = ROOT / ".cache" / "schemathesis" / "bin" / "schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SECONDS = os.environ.get("FUZZ_SECONDS", "15")


def test_the_description_is_that_of_the_routes() -> None:
    """`docs/openapi.json` is what the application says; `python tools/openapi.py --write` brings it up to date."""
    done = subprocess.run([sys.executable, ROOT / "tools" / "openapi.py", "--check"], check=False)
    assert done.returncode == 0


@pytest.mark.parametrize("header", ["X-API-Key: {key}", "X-API-Key: wrong"], ids=["with the key", "without"])
def test_no_request_is_a_failure_of_the_service(tmp_path: Path, header: str) -> None:
    """Every answer has a status and a body that the description promises, and the service still runs."""
    with running_service(tmp_path, RUN_TIMEOUT_SECONDS="2", RUN_TIMEOUT_MAX_SECONDS="2") as service:
        done = subprocess.run(
            [
                PROGRAM, "run", str(PAGE), "--url", f"http://{service.host}", "-H", header.format(key=service.api_key),
                "--checks", CHECKS, "--max-time", SECONDS, "--max-examples", "1000", "--no-color",
            ],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        log = service.log.read_text()
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    sent = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert sent is not None, done.stdout[-2000:]
    assert sent[1] == sent[2] and int(sent[1]) >= 100
    assert "Traceback" not in log
