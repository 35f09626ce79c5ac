"""The Dockerfile does what docs/docker.md promises. Builds take minutes and an engine, and are done by hand."""

from __future__ import annotations

import json
import re

import pytest

from librechat_code_interpreter.__main__ import main
from tests.deploy.tools import KNOWN, ROOT, tool

TEXT = (ROOT / "Dockerfile").read_text()
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def stage(name: str) -> str:
    """Return the lines of one stage; the last one, which has no name, is ''."""
    stages = re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:]
    (found,) = [text for text in stages if (re.match(r"\S+(?: AS (\S+))?", text) or [""])[1] == (name or None)]
    return found


def test_hadolint_finds_nothing() -> None:
    """hadolint reports nothing."""
    done = tool("hadolint", "--no-color", "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["daytona", ""], ids=["daytona", "full"])
def test_images_run_as_an_ordinary_user(name: str) -> None:
    """Every image ends with an unprivileged user."""
    assert re.findall(r"^USER (\S+)", stage(name), re.MULTILINE)[-1:] == ["10001"]


def test_the_slim_image_has_nothing_to_run_programs_with() -> None:
    """`--target daytona` contains neither the sandbox runtime nor toolchains, and accepts only the Daytona engine."""
    slim = stage("daytona")
    assert slim.startswith("base AS")
    assert "/opt/sandbox" not in slim
    assert "ADAPTER_ENGINE=daytona" in slim


def test_the_runtime_is_a_layer_of_its_own() -> None:
    """The 1 GB of sandbox runtime is one `COPY`, before what changes with each release of the service."""
    copies = re.findall(r"^COPY --from=(\S+)", stage(""), re.MULTILINE)
    assert copies == ["runtime", "packages", "tree", "tree", "tree"]


def test_the_health_check_is_a_command_of_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    """What the image's `HEALTHCHECK` and `CMD` call exists, with that option."""
    (check,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])", TEXT, re.MULTILINE)
    (start,) = re.findall(r"^CMD (\[.*\])", TEXT, re.MULTILINE)
    for command in (json.loads(check), json.loads(start)):
        assert command[:3] == ["python", "-m", "app"]
        with pytest.raises(SystemExit) as end:
            main([*command[3:], "--help"])
        assert end.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_every_variable_is_a_setting() -> None:
    """Every variable that the images set is read by something."""
    names = re.findall(r"^(?:ENV|   ) ([A-Z_]+)=", TEXT, re.MULTILINE)
    assert {"HOST", "PORT", "SANDBOX_RUNTIME"} <= set(names)
    assert set(names) - KNOWN == {"PATH", "PYTHONUNBUFFERED"}


def test_what_is_copied_is_there_and_reaches_the_builder() -> None:
    """Each file or directory that is copied from the tree exists, and `.dockerignore` lets it through."""
    sources = [
        source for words in re.findall(r"^COPY (?!--from)(.+)", TEXT, re.MULTILINE) for source in words.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source.partition("/")[0] not in IGNORED


def test_secrets_and_data_do_not_reach_the_builder() -> None:
    """Neither `.env`, nor the users' files, nor the repository are in the build context."""
    assert {".env", "data", ".git"} <= set(IGNORED)
