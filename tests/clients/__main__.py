"""Play the same checks with every published client against one service: ``make test-clients``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.clients.checks import CHECKS, Check, ClientUnderTest, client_under_test, offers
from tests.clients.client import DriverFailed
from tests.clients.generations import generation_of, is_newer_than_known, parse_version, release_of
from tests.clients.npm import InstallFailed
from tests.clients.published import CodeToolMissing, install_published, published_versions
from tests.faults.report import write
from tests.service import LiveService, running_service

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
SHOWN_CHARS = 300
# An answer of another shape than LibreChat relies on shows as one of the last three.
FAILURES = (AssertionError, DriverFailed, LookupError, TypeError, ValueError)


@dataclass
class Report:
    """What came of one version: how many checks passed, and why the others failed, by name."""

    version: str
    passed: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def row(self) -> str:
        """Write the version's row of the table."""
        generation = generation_of(self.version)
        if generation is None:
            return f"| {self.version} | {release_of(self.version)} | – | – | no code tool |"
        result = f"{self.passed} of {self.passed + len(self.failed)}"
        if self.failed:
            result += f"; failed: {', '.join(self.failed)}"
        cells = (self.version, release_of(self.version), generation.credential, generation.handover.value, result)
        return f"| {' | '.join(cells)} |"


def main() -> int:
    """Examine the versions and print the table; return 1 if any check failed, 3 without an answer from npm."""
    options = _options()
    began = time.monotonic()
    try:
        versions = options.only.split(",") if options.only else published_versions()
    except InstallFailed as error:
        print(error, file=sys.stderr)
        return 3
    with tempfile.TemporaryDirectory(prefix="clients-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # the sandboxes' uid has to pass
        with running_service(Path(directory)) as service:
            reports = examine_all(versions, service, options.workers, began)
    print(table(reports))
    for report in reports:
        for name, reason in report.failed.items():
            print(f"{report.version}, {name}: {reason}", file=sys.stderr)
    print(f"{len(reports)} versions in {time.monotonic() - began:.0f} s")
    if options.write:
        write(PAGE, "clients", f"npm on {datetime.now(UTC):%Y-%m-%d}, {len(reports)} versions:\n\n{table(reports)}")
    return int(any(report.failed for report in reports))


def examine_all(versions: Sequence[str], service: LiveService, workers: int, began: float) -> list[Report]:
    """Examine several versions at a time; print each when it is done."""
    reports = []
    with ThreadPoolExecutor(workers) as pool:
        for future in as_completed([pool.submit(examine, version, service) for version in versions]):
            reports.append(report := future.result())
            print(f"{time.monotonic() - began:6.0f} s  {report.row()}", file=sys.stderr, flush=True)
    return sorted(reports, key=lambda report: parse_version(report.version))


def examine(version: str, service: LiveService) -> Report:
    """Install a version and play every check that is about what it offers."""
    report = Report(version)
    if generation_of(version) is None:
        return report
    try:
        project = install_published(version)
        with (
            tempfile.TemporaryDirectory(prefix="uploads-") as directory,
            client_under_test(version, project, service, Path(directory)) as subject,
        ):
            _play(subject, report)
    except (CodeToolMissing, InstallFailed, DriverFailed) as error:
        report.failed["installation"] = str(error)
    return report


def table(reports: Sequence[Report]) -> str:
    """Write the table."""
    head = [
        "| client | LibreChat | credential | files handed on by | checks passed |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *(report.row() for report in reports)])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.clients", description=__doc__)
    parser.add_argument("--only", default="", help="these versions, separated by commas (default: all that npm has)")
    parser.add_argument("--workers", type=int, default=max(2, os.cpu_count() or 2), help="versions at a time")
    parser.add_argument("--write", action="store_true", help="write the table into docs/compatibility.md")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("--write needs all versions")
    return options


def _play(subject: ClientUnderTest, report: Report) -> None:
    for check in CHECKS:
        if offers(subject, check):
            reason = _failure(subject, check)
        elif is_newer_than_known(report.version):
            reason = "not offered any more"
        else:
            continue
        if reason is None:
            report.passed += 1
        else:
            report.failed[_name(check)] = reason


def _failure(subject: ClientUnderTest, check: Check) -> str | None:
    try:
        check(subject)
    except FAILURES as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{place.line}: {str(error)[:SHOWN_CHARS] or type(error).__name__}"
    return None


def _name(check: Check) -> str:
    return check.__name__.removeprefix("check_").replace("_", " ")


if __name__ == "__main__":
    sys.exit(main())
