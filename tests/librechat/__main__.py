"""Run LibreChat's own server code, release by release, against one service: ``make test-librechat``."""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.clients.npm import InstallFailed
from tests.faults.report import write
from tests.librechat import report
from tests.librechat.faults import Fault, known_faults
from tests.librechat.packages import BundleFailed, PackageMissing, bundle, install
from tests.librechat.releases import Release, ReleaseMissing, extract
from tests.librechat.report import Row
from tests.librechat.scenarios import SCENARIOS, Lost, Scenario
from tests.librechat.server import Chat, Credential, Server, ServerFailed, running
from tests.service import LiveService, running_service

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
MARK = "librechat"
KEY_ID = "librechat-test"
SHOWN_CHARS = 600
NOT_RUN = (ReleaseMissing, PackageMissing, InstallFailed, BundleFailed, ServerFailed)
_NODE = re.compile(r"^FROM node:(\S+?)(?:-alpine)? ", re.MULTILINE)


@dataclass(frozen=True)
class Keys:
    """The key pair of a LibreChat that signs tokens, as PEM."""

    private: str
    public: str


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    checkout: Path
    tags: list[str]
    only: str
    write: bool
    shows_replaced: bool


def main() -> int:
    """Run every release and print the table; return 1 if anything failed, 3 if nothing could be run."""
    options = _options()
    began = time.monotonic()
    rows: list[Row] = []
    missing: dict[str, str] = {}
    with _service() as (service, keys):
        for tag in options.tags:
            try:
                for row in run_release(options, tag, service, keys):
                    rows.append(row)
            except NOT_RUN as error:
                missing[tag] = str(error)
                print(f"{tag}: {error}", file=sys.stderr, flush=True)
    print(report.table(rows))
    print(report.fault_list(rows))
    print(report.missing_list(missing))
    print(f"{len(rows)} rows in {time.monotonic() - began:.0f} s")
    if options.write:
        text = report.document(rows, missing)
        write(PAGE, MARK, f"{datetime.now(UTC):%Y-%m-%d}, {len(SCENARIOS)} scenarios:\n\n{text}")
    if not rows:
        return 3
    return int(bool(missing) or any(row.failed for row in rows))


def run_release(options: Options, tag: str, service: LiveService, keys: Keys) -> Iterator[Row]:
    """Run the scenarios with each credential that the release can have. Raises what extract and install raise."""
    release = extract(options.checkout, tag)
    project = install(release)
    bundle(release)
    found = _NODE.search(release.dockerfile(options.checkout))
    for credential in credentials_of(release, service, keys):
        row = Row(tag, release.date, project.client, found.group(1) if found else "?", credential.name)
        began = time.monotonic()
        with running(release, project, credential) as server:
            server.check()
            for scenario in SCENARIOS:
                if options.only in scenario.name and scenario.applies(server):
                    _run(scenario, server, row)
            if options.shows_replaced:
                print("\n".join(sorted(server.ask("replaced"))), file=sys.stderr)
        row.seconds = time.monotonic() - began
        _print_progress(row)
        yield row


def credentials_of(release: Release, service: LiveService, keys: Keys) -> list[Credential]:
    """List the ways in which a release can prove itself: its key, or the address, and tokens of its own."""
    if not release.mints_tokens:
        key = {"LIBRECHAT_CODE_BASEURL": service.url, "LIBRECHAT_CODE_API_KEY": service.api_key}
        return [Credential("`X-API-Key`", key)]
    address = service.url_with_key
    token = {
        "CODEAPI_JWT_ENABLED": "true",
        "CODEAPI_JWT_PRIVATE_KEY": keys.private,
        "CODEAPI_JWT_KID": KEY_ID,
    }
    return [
        Credential("key in the address", _addresses(address)),
        Credential("its JWT", {**_addresses(service.url), **token}),
    ]


def _addresses(url: str) -> dict[str, str]:
    return {"LIBRECHAT_CODE_BASEURL": url, "LIBRECHAT_CODE_BASEURL_STATEFUL": url}


def _run(scenario: Scenario, server: Server, row: Row) -> None:
    """Try one scenario and note what came of it."""
    server.logged.clear()
    fault = _fault(scenario.name, row.release)
    try:
        scenario.run(Chat(server))
    except Lost as error:
        if fault is not None and str(error).startswith(fault.shows):
            row.known[scenario.name] = fault
        else:
            row.failed[scenario.name] = str(error)
    except ServerFailed as error:
        row.failed[scenario.name] = str(error)
    else:
        if fault is None:
            row.passed.append(scenario.name)
        else:
            row.failed[scenario.name] = f"it works, although faults.toml says: {fault.behavior}"


def _fault(scenario: str, tag: str) -> Fault | None:
    found = [fault for fault in known_faults() if scenario in fault.scenarios and fault.covers(tag)]
    return found[0] if found else None


def _print_progress(row: Row) -> None:
    counts = f"{len(row.passed)} as it should be, {len(row.known)} LibreChat's own faults, {len(row.failed)} failed"
    print(f"{row.seconds:6.0f} s  {row.release}, {row.credential}: {counts}", file=sys.stderr, flush=True)
    for name, reason in row.failed.items():
        print(f"          {name}: {' / '.join(reason.split(chr(10)))[:SHOWN_CHARS]}", file=sys.stderr, flush=True)


@contextmanager
def _service() -> Iterator[tuple[LiveService, Keys]]:
    """Run a service that takes all three credentials."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    with tempfile.TemporaryDirectory(prefix="librechat-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # the sandboxes' uid has to pass
        settings = {"CODEAPI_JWT_PUBLIC_KEY": public, "CODEAPI_JWT_KID": KEY_ID}
        with running_service(Path(directory), **settings) as service:
            yield service, Keys(private, public)


def _options(arguments: Sequence[str] | None = None) -> Options:
    parser = argparse.ArgumentParser("python -m tests.librechat", description=__doc__)
    parser.add_argument("--checkout", type=Path, required=True, help="a git checkout of LibreChat with its tags")
    parser.add_argument("--tags", required=True, help="tags or commits, separated by spaces")
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    parser.add_argument("--write", action="store_true", help="write the table into docs/compatibility.md")
    parser.add_argument("--replaced", action="store_true", help="list what of LibreChat was replaced and used")
    asked = parser.parse_args(arguments)
    if asked.write and asked.only:
        parser.error("--write needs all scenarios")
    return Options(asked.checkout, asked.tags.split(), asked.only, asked.write, asked.replaced)


if __name__ == "__main__":
    sys.exit(main())
