"""Let schemathesis make up requests from the API's description, against a service of our own."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.service import ROOT, running_service

PAGE = ROOT / "docs" / "openapi.json"
PROGRAM = ROOT / ".cache" / "schemathesis" / "bin" / "schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
_COUNTS = re.compile(r"(\d+) generated, (\d+) passed")


@dataclass(frozen=True)
class Way:
    """One way to call: the service's setting, and the header that is sent."""

    name: str
    auth: str
    header: str
    share: float
    """Its part of the time: what runs programs takes longer."""


WAYS = (
    Way("with the key", "auto", "X-API-Key: {key}", 0.5),
    Way("with a wrong key", "auto", "X-API-Key: wrong", 0.2),
    Way("without a key, at ADAPTER_AUTH=none", "none", "X-Nothing: x", 0.3),
)


@dataclass(frozen=True)
class Outcome:
    """What came of it; ``told`` is the program's own report."""

    sent: int
    failed: int
    told: str
    tracebacks: int


def made_up(workdir: Path, way: Way, seconds: int) -> Outcome:
    """Send requests for so long."""
    settings = {"RUN_TIMEOUT_SECONDS": "2", "RUN_TIMEOUT_MAX_SECONDS": "2", "ADAPTER_AUTH": way.auth}
    with running_service(workdir, **settings) as service:
        done = subprocess.run(
            [
                PROGRAM, "run", str(PAGE), "--url", f"http://{service.host}", "--checks", CHECKS, "--no-color",
                "-H", way.header.format(key=service.api_key), "--max-time", str(seconds), "--request-timeout", "60",
                "--max-examples", "1000" if seconds < 100 else "100000",
            ],
            cwd=workdir, capture_output=True, text=True, check=False,
        )  # fmt: skip
        log = service.log.read_text()
    counts = _COUNTS.search(done.stdout)
    sent, passed = (int(counts[1]), int(counts[2])) if counts else (0, 0)
    told = done.stdout[-5000:] + done.stderr[-1000:]
    return Outcome(sent, max(sent - passed, int(done.returncode != 0)), told, log.count("Traceback"))
