"""``python -m app snapshot build`` makes the recommended snapshot, and the engine knows it by its name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from librechat_code_interpreter.__main__ import main
from librechat_code_interpreter.engines.daytona import archive, snapshot
from tests.daytona.cloud import KEY, Cloud

LINE_BYTES = 65_535


@pytest.fixture
def command(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Callable[..., int]:
    """Run the command with the emulator as its Daytona."""
    monkeypatch.chdir(str(tmp_path))
    for name, value in {"DAYTONA_API_KEY": KEY, "DAYTONA_API_URL": cloud.api_url, "DAYTONA_TARGET": "us"}.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: main(["snapshot", "build", *arguments])


def test_the_recipe_holds_the_runner_the_directories_and_the_packages(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """``--print`` prints the Dockerfile, without an account; no line is too long for a builder."""
    assert command("--print") == 0
    recipe = capsys.readouterr().out
    assert archive.runner_name() in recipe
    assert "pandas" in recipe and "/mnt/data" in recipe
    assert max(map(len, recipe.splitlines())) < LINE_BYTES


def test_the_name_tells_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another runner or another package is another snapshot."""
    first = snapshot.name()
    monkeypatch.setattr(snapshot, "packages", lambda: ["numpy"])
    snapshot.name.cache_clear()
    assert snapshot.name() != first
    monkeypatch.undo()
    snapshot.name.cache_clear()
    assert snapshot.name() == first


async def test_a_built_snapshot_saves_the_preparation(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new sandbox of the snapshot is one call, the create."""
    import asyncio

    for name, value in {"DAYTONA_API_KEY": KEY, "DAYTONA_API_URL": cloud.api_url, "DAYTONA_TARGET": "us"}.items():
        monkeypatch.setenv(name, value)
    assert await asyncio.to_thread(main, ["snapshot", "build"]) == 0
    assert capsys.readouterr().out == f"DAYTONA_SNAPSHOT={snapshot.name()}\n"
    assert await asyncio.to_thread(main, ["snapshot", "build"]) == 0
    assert "exists already" in capsys.readouterr().err
    async with cloud.engine(snapshot=snapshot.name(), app="baked") as engine:
        with cloud.counting() as calls:
            await engine.create()
        assert calls == ["POST /sandbox"]


def test_without_a_key_it_says_so(command: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 78 for a wrong configuration."""
    monkeypatch.delenv("DAYTONA_API_KEY")
    assert command() == 78
