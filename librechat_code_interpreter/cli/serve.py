"""``serve``: starts the service, creates an API key on the first start, and prints the settings for LibreChat."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import uvicorn

from librechat_code_interpreter import process_tuning
from librechat_code_interpreter.api.connection_limits import BoundedConnection
from librechat_code_interpreter.cli.key import ENV_FILE, ensure_key
from librechat_code_interpreter.core.protocols import EngineUnfit
from librechat_code_interpreter.main import EX_CONFIG, create_app
from librechat_code_interpreter.settings import Settings, SettingsError, load_settings
from librechat_code_interpreter.telemetry import logs


def add_to(commands: Any) -> None:
    """Add ``serve`` to the command line."""
    parser = commands.add_parser("serve", help="start the service on HOST and PORT; creates a missing API key")
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Serve until a signal to stop arrives; return the exit code."""
    try:
        made = ensure_key()
        settings = load_settings()
        logs.set_up(settings.log_level, settings.log_format)
        app = create_app(settings)
    except (SettingsError, EngineUnfit) as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    process_tuning.spare_the_collector()
    if made or sys.stdout.isatty():  # no key in the log of a container
        print(welcome(settings, key_was_made=made), flush=True)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=settings.log_access,
        http=BoundedConnection,
    )
    return 0


def welcome(settings: Settings, *, key_was_made: bool) -> str:
    """Return the lines for LibreChat's ``.env``."""
    host = "localhost" if settings.host in ("0.0.0.0", "127.0.0.1", "::") else settings.host  # noqa: S104  compared, not bound
    key = settings.adapter_api_key.get_secret_value() if settings.adapter_api_key else None
    lines = [f"A new API key was made and kept in {ENV_FILE}." if key_was_made else ""]
    if key:
        lines += [
            "Paste into LibreChat's .env",
            "",
            "  # LibreChat up to v0.8.5",
            f"  LIBRECHAT_CODE_BASEURL=http://{host}:{settings.port}/v1",
            f"  LIBRECHAT_CODE_API_KEY={key}",
            "",
            "  # LibreChat from v0.8.6 (it sends no key of its own, so the key goes into the address)",
            f"  LIBRECHAT_CODE_BASEURL=http://x:{key}@{host}:{settings.port}/v1",
            "",
        ]
    lines.append(f"API page: http://{host}:{settings.port}/docs")
    if settings.console_enabled:
        lines.append(f"Operator's page: http://{host}:{settings.port}/console")
    return "\n".join(line for number, line in enumerate(lines) if line or number)
