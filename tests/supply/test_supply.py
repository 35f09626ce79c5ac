"""All packages of service and sandboxes are locked by hash, listed in the SBOM, and of an accepted licence."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import audit, licences
from tools.locked import ROOT, SANDBOX, SERVICE, locked, plain

LOCKS = sorted(
    path for pattern in ("requirements*.txt", "[a-z]*/*.lock", "tests/*/*.lock") for path in ROOT.glob(pattern)
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_locked_package_has_its_hashes(lock: Path) -> None:
    """Every line of a lock has a release and a hash."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*$", "", lock.read_text()).strip())
    assert blocks
    assert [block.splitlines()[0] for block in blocks if not re.match(r"\S+==\S+(.|\n)*--hash=sha256:", block)] == []


def test_a_package_that_is_not_the_locked_one_is_not_installed(tmp_path: Path) -> None:
    """The installer requires hashes: it accepts a release with its own, and rejects one with another's, or none."""
    wheel = tmp_path / "thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("thing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
        archive.writestr("thing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("thing-1.0.dist-info/RECORD", "")
    true = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert installs(tmp_path, f"thing==1.0 --hash=sha256:{true}\n")
    assert not installs(tmp_path, f"thing==1.0 --hash=sha256:{'0' * 64}\n")
    assert not installs(tmp_path, "thing==1.0\n")
    assert "--require-hashes" in (ROOT / "Dockerfile").read_text()


def installs(directory: Path, text: str) -> bool:
    """Return whether the installer would take what a lock names, from files in a directory."""
    (directory / "a.lock").write_text(text)
    from_here = ("--dry-run", "--no-index", "--find-links", str(directory))
    command = [str(ROOT / "tools" / "make_venv.sh"), str(ROOT / ".venv"), "-r", str(directory / "a.lock"), *from_here]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_bill_lists_every_locked_package(tmp_path: Path) -> None:
    """`make sbom`: each package of service and sandbox, with its release, its address and its hashes; nothing else."""
    subprocess.run([sys.executable, ROOT / "tools" / "sbom.py", tmp_path / "sbom.json"], check=True)
    document = json.loads((tmp_path / "sbom.json").read_text())
    assert (document["bomFormat"], document["specVersion"][0]) == ("CycloneDX", "1")
    for part, lock in (("service", SERVICE), ("sandbox", SANDBOX)):
        listed = [item for item in document["components"] if item["properties"][0]["value"] == part]
        assert {(plain(item["name"]), item["version"]) for item in listed} == locked(lock)
        assert all(item["purl"].startswith("pkg:pypi/") for item in listed)
        assert all(item["externalReferences"][0]["hashes"] for item in listed)


def test_every_licence_is_written_down_and_accepted() -> None:
    """`docs/licences.md` is up to date; `python tools/licences.py --write` updates it."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "licences.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("licence", "refused"),
    [
        ("MIT", []),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", []),
        ("GPL-3.0 OR MIT", []),
        ("GPL-3.0", ["GPL-3.0"]),
        ("MIT AND AGPL-3.0", ["AGPL-3.0"]),
        ("UNKNOWN", ["UNKNOWN"]),
        ("", [""]),
    ],
)
def test_a_new_licence_does_not_slip_in(licence: str, refused: list[str]) -> None:
    """Every part of a licence has to be accepted, of alternatives one; an unknown one is not."""
    assert licences.refused(licence) == refused
    assert bool(licences.complaints({"new": licence}, {"new": licence})) == bool(refused)
    assert licences.complaints({"new": "MIT"}, {}) != []


def test_an_audit_that_nobody_could_make_is_no_good_news(tmp_path: Path) -> None:
    """pip-audit succeeds when no service knows a package; `make audit` reports it, and ends with 3."""
    lock = tmp_path / "a.lock"
    lock.write_text("one==1.0 \\\n    --hash=sha256:0\ntwo==2.0 \\\n    --hash=sha256:0\n")
    fine = {"name": "one", "version": "1.0", "vulns": []}
    holed = {"name": "two", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}
    unknown = {"name": "two", "skip_reason": "Dependency not found on PyPI"}
    assert audit.verdict(lock, [fine, holed | {"vulns": []}])[0] == 0
    assert audit.verdict(lock, None)[0] == audit.verdict(lock, [unknown])[0] == 3
    code, told = audit.verdict(lock, [fine, unknown])
    assert code == 3 and "NOT ALL AUDITED" in told[-1]
    code, told = audit.verdict(lock, [fine, holed])
    assert code == 1 and "two 2.0: PYSEC-1 2.1" in told
