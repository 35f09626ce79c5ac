"""Commands ``serve``, ``exec``, ``doctor`` and ``snapshot build`` of ``python -m librechat_code_interpreter``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

_COMMANDS = {"serve": "serve", "exec": "execute", "doctor": "doctor", "snapshot": "snapshot"}


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code: 0, 1 for a failed check, 2 for wrong usage, 78 for configuration."""
    parser = argparse.ArgumentParser(
        prog="python -m app", description="LibreChat's Code Interpreter API on your own sandboxes."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    named = (
        [argv[0]] if argv and argv[0] in _COMMANDS else _COMMANDS
    )  # a health check does not import the other commands
    for name in named:
        import_module(f"librechat_code_interpreter.cli.{_COMMANDS[name]}").add_to(commands)
    arguments = parser.parse_args(argv)
    code: int = arguments.run(arguments)
    return code


def run() -> NoReturn:
    """Run the command of this process's arguments."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
