"""Generate ``.env.example`` and ``docs/settings.md`` from ``settings``.

Usage:
    python tools/settings_docs.py --write    write both
    python tools/settings_docs.py --check    exit 1 and name what differs
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from librechat_code_interpreter.settings import Settings  # noqa: E402  # run as a script, the tool has to find `app` first
from librechat_code_interpreter.units import human_bytes  # noqa: E402  # as above

SEED = (
    "ADAPTER_API_KEY",
    "DAYTONA_API_KEY",
    "DAYTONA_API_URL",
    "REDIS_URL",
    "SESSION_TTL_SECONDS",
    "UPLOAD_MAX_BYTES",
    "CLEANUP_INTERVAL_SECONDS",
)
SECTIONS = (
    "Service", "Authentication", "Engine", "Daytona", "Sessions", "Files", "Requests", "Runs", "Local engine",
    "Observability",
)  # fmt: skip
"""Order of the headings: the class lists the settings that it inherits from the engines first."""

_TYPES = {"SecretStr": "secret", "str": "text", "int": "integer", "bool": "`true` or `false`", "Path": "path"}

_INTRO = """\
<!-- Generated from librechat_code_interpreter/settings.py by `python tools/settings_docs.py --write`; do not edit. -->
# Settings

The service reads its environment and a file `.env` in the directory it starts in; the environment wins.
An empty value counts as unset, unknown names are ignored, and a bad value stops the start with one line that
names it. Sizes are bytes, or a number with its unit: `20971520`, `20MiB`, `1.5 GiB`, `20MB` (decimal).
`K…` refers to the wire contract, see [compatibility.md](compatibility.md).
"""
_TABLE_HEAD = "| Variable | Type | Default | Unit | Meaning |\n| --- | --- | --- | --- | --- |\n"
_ENV_INTRO = """\
# Copy this file to .env, take the # away from what you change. Every setting: docs/settings.md
# Generated from librechat_code_interpreter/settings.py by `python tools/settings_docs.py --write`; do not edit.
"""


@dataclass(frozen=True)
class Entry:
    """Describe one setting as the docs show it."""

    name: str
    section: str
    kind: str
    default: str
    unit: str
    meaning: str


def entries() -> list[Entry]:
    """List every setting, by section, and within it in the order of the class."""
    found = [_entry(name) for name in Settings.model_fields]
    return sorted(found, key=lambda entry: SECTIONS.index(entry.section))


def _entry(name: str) -> Entry:
    field = Settings.model_fields[name]
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or not field.description:
        raise TypeError(f"{name} lacks its section or its meaning")
    default = "" if field.default is None else str(field.default)
    return Entry(
        name=name.upper(),
        section=str(extra["section"]),
        kind=_kind(field.annotation),
        default=default.lower() if isinstance(field.default, bool) else default,
        unit=str(extra["unit"]),
        meaning=field.description,
    )


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(annotation))
    plain = get_args(annotation)[0] if get_origin(annotation) is UnionType else annotation
    return _TYPES[plain.__name__]


def settings_page() -> str:
    """Write ``docs/settings.md``: one table a section."""
    parts = [_INTRO]
    for section, rows in groupby(entries(), key=lambda entry: entry.section):
        parts.append(f"\n## {section}\n\n{_TABLE_HEAD}")
        parts.extend(_row(entry) for entry in rows)
    return "".join(parts)


def _row(entry: Entry) -> str:
    default = f"`{entry.default}`{_readable(entry)}" if entry.default else "unset"
    cells = (f"`{entry.name}`", entry.kind, default, entry.unit, entry.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _readable(entry: Entry) -> str:
    size = human_bytes(int(entry.default)) if entry.unit == "bytes" else ""
    return f" ({size})" if size else ""


def env_example() -> str:
    """Write ``.env.example``: the seed's seven settings first, then the others by section."""
    by_name = {entry.name: entry for entry in entries()}
    parts = [_ENV_INTRO, "\n# ---- The essential ones ----\n", *(_line(by_name[name]) for name in SEED)]
    others = [entry for entry in by_name.values() if entry.name not in SEED]
    for section, rows in groupby(others, key=lambda entry: entry.section):
        parts.extend([f"\n# ---- {section} ----\n", *map(_line, rows)])
    return "".join(parts)


def _line(entry: Entry) -> str:
    unit = f" [{entry.unit}]" if entry.unit else ""
    text = entry.meaning.replace("`", "") + unit + _readable(entry)
    comment = textwrap.fill(text, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"{comment}\n#{entry.name}={entry.default}\n"


def stale(root: Path = ROOT, *, write: bool = False) -> list[str]:
    """Name the generated files that differ from the class; with ``write``, bring them up to date."""
    differing = []
    for name, text in {".env.example": env_example(), "docs/settings.md": settings_page()}.items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        differing.append(name)
        if write:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return differing


def main() -> int:
    """Run the command line; the exit code is 1 when ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(description="Generate .env.example and docs/settings.md")
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", action="store_true", help="write the files")
    choice.add_argument("--check", action="store_true", help="exit 1 when they differ")
    write = parser.parse_args().write
    differing = stale(write=write)
    for name in differing:
        print(f"{name} {'written' if write else 'is stale: run python tools/settings_docs.py --write'}")
    return 0 if write else int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
