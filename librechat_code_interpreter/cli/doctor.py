"""``doctor``: checks the machine and the configuration, or the readiness of the service that runs here."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
from typing import Any

from librechat_code_interpreter.settings import Settings, SettingsError, load_settings

_QUICK_SECONDS = 9.0  # the image's health check has 15, of which a loaded machine uses some to start it
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  compared, not bound


def add_to(commands: Any) -> None:
    """Add ``doctor`` to the command line."""
    parser = commands.add_parser("doctor", help="check this machine and the settings, and print what to fix")
    parser.add_argument(
        "--quick", action="store_true", help="only query the readiness of the service that runs here; for health checks"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print each finding at once; return 0 if the service can work here, 78 for a bad setting, else 1."""
    try:
        settings = load_settings(serving=False)
    except SettingsError as error:
        print(f"FAIL  settings           {error}")
        return os.EX_CONFIG
    return _ask(settings) if arguments.quick else asyncio.run(_examine(settings))


async def _examine(settings: Settings) -> int:
    from librechat_code_interpreter.cli.findings import (
        findings,  # --quick runs all day, so it imports neither engines nor frameworks
    )

    failed = False
    async for finding in findings(settings):
        print(finding, flush=True)
        failed = failed or finding.mark == "fail"
    return int(failed)


def _ask(settings: Settings) -> int:
    """Request ``/readyz``, which itself runs a program and probes the store, at most every five seconds."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=_QUICK_SECONDS)
    try:
        connection.request("GET", "/readyz")
        reply = connection.getresponse()
        said = json.loads(reply.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        print(f"FAIL  service            {host}:{settings.port} does not answer: {error}")
        return 1
    finally:
        connection.close()
    reasons = "; ".join(f"{part}: {reason}" for part, reason in said.get("reasons", {}).items())
    ready = reply.status == http.client.OK
    print(f"{'ok   ' if ready else 'FAIL '} service            {said['status']}{reasons and ': '}{reasons}")
    return int(not ready)
