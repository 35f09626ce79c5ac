"""``snapshot build``: builds the recommended Daytona snapshot with runner, directories, data packages, languages."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from librechat_code_interpreter.main import EX_CONFIG
from librechat_code_interpreter.settings import Settings, SettingsError, load_settings


def add_to(commands: Any) -> None:
    """Add ``snapshot build`` to the command line."""
    parser = commands.add_parser("snapshot", help="manage the recommended Daytona snapshot")
    actions = parser.add_subparsers(dest="action", required=True)
    build = actions.add_parser(
        "build", help="build it in the Daytona account, if it does not exist yet, and print its name"
    )
    build.add_argument("--print", action="store_true", help="only print the Dockerfile; needs no account")
    build.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build or print; return the exit code."""
    from librechat_code_interpreter.engines.daytona import (
        snapshot,  # the SDK takes seconds to import, and other commands do not need it
    )

    if arguments.print:
        sys.stdout.write(snapshot.image().dockerfile())
        return 0
    try:
        settings = load_settings(serving=False)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    if settings.daytona_api_key is None:
        print("DAYTONA_API_KEY: not set; it is required to build a snapshot in the account", file=sys.stderr)
        return EX_CONFIG
    return asyncio.run(_build(settings))


async def _build(settings: Settings) -> int:
    from daytona import DaytonaError, DaytonaNotFoundError

    from librechat_code_interpreter.engines.daytona import client, snapshot

    params = snapshot.params(client.resources(settings))
    async with client.connect(settings) as daytona:
        try:
            try:
                await daytona.snapshot.get(params.name)
                print(f"{params.name} exists already", file=sys.stderr)
            except DaytonaNotFoundError:
                await daytona.snapshot.create(params, on_logs=_log, timeout=0)
        except DaytonaError as error:
            print(error, file=sys.stderr)
            return 1
    print(f"DAYTONA_SNAPSHOT={params.name}")
    return 0


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
