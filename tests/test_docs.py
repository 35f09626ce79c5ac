"""The documents name every endpoint, error, command and exit code."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from attack.__main__ import argument_parser
from librechat_code_interpreter.api.errors import HTTP_ERRORS, STATUS
from librechat_code_interpreter.api.routes import ROUTES
from librechat_code_interpreter.cli import doctor, execute, serve
from librechat_code_interpreter.core import errors
from librechat_code_interpreter.main import EX_CONFIG, create_app
from librechat_code_interpreter.settings import Settings

DOCS = Path(__file__).parents[1] / "docs"


class _NoEngine:
    """An engine that is never opened."""

    name = "none"
    warnings: tuple[str, ...] = ()


def test_every_route_is_in_the_table(tmp_path: Path) -> None:
    """The route table has every route of the application with its method, and no other."""
    engine: Any = _NoEngine()
    service: Any = create_app(Settings(adapter_api_key="k", file_store_url=str(tmp_path)), engine)
    there = [(method, route.path) for route in service.app.app.routes for method in route.methods - {"HEAD"}]
    assert sorted(there) == sorted((route.method, route.path) for route in ROUTES)


def test_every_endpoint_has_its_line() -> None:
    """`docs/api.md` names every route but those of pages, with its method."""
    text = (DOCS / "api.md").read_text()
    for route in ROUTES:
        assert route.is_page or f"`{route.method} {route.path}`" in text


def test_every_error_code_has_its_line() -> None:
    """`docs/api.md` names every code that an error body can carry."""
    text = (DOCS / "api.md").read_text()
    family = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ServiceError)
    ]
    codes = {kind.code for kind in family} | {code for code, _ in HTTP_ERRORS.values()}
    assert [code for code in sorted(codes) if f"`{code}`" not in text] == []
    assert all(any(issubclass(kind, known) for known in STATUS) for kind in family if kind is not errors.ServiceError)


def test_every_command_and_option_has_its_line() -> None:
    """`docs/operations.md` names every command of `python -m app`, all their options, and the exit code 78."""
    text = (DOCS / "operations.md").read_text()
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    for module in (serve, execute, doctor):
        module.add_to(commands)
    known = {f"app {name}": command for name, command in commands.choices.items()}
    for name, command in {**known, "attack": argument_parser()}.items():
        assert f"python -m {name}" in text
        for option in re.findall(r"(?m)^ +(?:-\w, )?(--[\w-]+)", command.format_help()):
            assert option == "--help" or f"`{option}`" in text
    assert f"{EX_CONFIG} only" in text


def test_every_make_target_has_its_line() -> None:
    """`docs/operations.md` names every documented target of the Makefile."""
    text = (DOCS / "operations.md").read_text()
    makefile = (DOCS.parent / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert [name for name in targets if f"`make {name}`" not in text and name != "help"] == []


def test_links_between_documents_lead_somewhere() -> None:
    """Every relative link in the documents leads to an existing file."""
    for page in [*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_names_to_move_to_are_settings() -> None:
    """Every name of this service in `docs/migrating.md` is one that something reads."""
    known = {name.upper() for name in Settings.model_fields}
    known |= set(re.findall(r"`((?:AWS|AZURE|GOOGLE)_[A-Z_]+)[`=]", (DOCS / "operations.md").read_text()))
    rows = re.findall(r"^\|.*\|(.*)\|$", (DOCS / "migrating.md").read_text(), re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)}
    assert "ADAPTER_API_KEY" in named
    assert named - known == set()


def test_troubleshooting_names_real_settings() -> None:
    """Every setting in the troubleshooting page exists, here or in LibreChat."""
    known = {name.upper() for name in Settings.model_fields} | {"LIBRECHAT_CODE_BASEURL", "ECONNREFUSED", "RTM_NEWADDR"}
    named = set(re.findall(r"`([A-Z][A-Z0-9]*_[A-Z0-9_]+|[A-Z]{8,})\b", (DOCS / "troubleshooting.md").read_text()))
    assert "SANDBOX_MEMORY_BYTES" in named
    assert named - known == set()


def test_the_tree_of_files_is_that_of_the_package() -> None:
    """`ARCHITECTURE.md` has a line for each module; `python tools/architecture_tree.py --write` updates it."""
    script = DOCS.parent / "tools" / "architecture_tree.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
