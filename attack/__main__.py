"""Run every program and request of the attack suite against a service and report the results.

``python -m attack``; exit code 0, 1 if an attack was not contained, 78 for a wrong configuration.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from attack import report, suite
from attack.arena import prepared
from attack.own_service import ServiceFailed
from attack.target import Target
from librechat_code_interpreter.main import EX_CONFIG
from librechat_code_interpreter.settings import SettingsError, load_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the attacks that the arguments select; return the exit code."""
    return run(argument_parser().parse_args(argv))


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m attack",
        description="Try to get out of the sandbox in every known way. The exit code is 1 if an attack succeeds.",
    )
    parser.add_argument("--url", help="the service to attack (default: one of its own, on the local engine)")
    parser.add_argument("--key", default="", help="its API key")
    parser.add_argument("--only", default="", help="only attacks whose group or name matches this regular expression")
    parser.add_argument("--quick", action="store_true", help="small limits and few rounds: a minute instead of five")
    parser.add_argument("--list", action="store_true", help="only list the attacks and their claims")
    parser.add_argument("--write", type=Path, help="a Markdown file whose table of attacks is updated")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Run the attacks; return 1 if any of them was not contained."""
    wanted = re.compile(arguments.only, re.IGNORECASE)
    attacks = [attack for attack in suite.load() if wanted.search(attack.group) or wanted.search(attack.name)]
    if arguments.list:
        for attack in attacks:
            print(f"{attack.group}: {attack.name}: {attack.claim}")
        return 0
    target = Target(arguments.url.rstrip("/"), arguments.key) if arguments.url else None
    try:
        with prepared(load_settings(serving=False), target, quick=arguments.quick) as arena:
            verdicts = list(_print_each(suite.run(arena, attacks)))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except (ServiceFailed, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(report.summary(verdicts))
    if arguments.write is not None:
        report.write(arguments.write, verdicts)
    return int(any(verdict.escape for verdict in verdicts))


def _print_each(verdicts: Iterator[suite.Verdict]) -> Iterator[suite.Verdict]:
    started = time.monotonic()
    for verdict in verdicts:
        print(f"{time.monotonic() - started:6.1f} s  {report.line(verdict)}", flush=True)
        yield verdict


if __name__ == "__main__":
    sys.exit(main())
