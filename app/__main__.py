"""Offer the commands: ``python -m app serve | exec | doctor | attack | snapshot build``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from app.cli import attack, doctor, execute, serve, snapshot


def main(argv: Sequence[str]) -> int:
    """Run one command and give its exit code: 0, 1 for a failed check, 2 for wrong usage, 78 for configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m app", description="LibreChat's Code Interpreter API on your own sandboxes."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (serve, execute, doctor, attack, snapshot):
        command.add_to(commands)
    arguments = parser.parse_args(argv)
    code: int = arguments.run(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
